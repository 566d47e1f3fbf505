from __future__ import annotations

import pytest

from singleshot.data.image_files.suffixes import image_suffixes, suffix_of


def test_formats_that_pillow_writes_and_reads_are_images():
    assert {".jpg", ".jfif", ".png", ".tiff", ".webp", ".avif", ".bmp", ".jp2"} <= image_suffixes()


@pytest.mark.parametrize("suffix", [".mpg", ".h5", ".eps", ".pdf", ".txt", ".xml", ".json", ""])
def test_formats_that_pillow_does_not_decode_by_itself_are_no_images(suffix):
    assert suffix not in image_suffixes()


def test_the_first_bytes_of_a_file_go_before_its_name():
    assert suffix_of(b"\x89PNG\r\n", ".jpg") == ".png"
    assert suffix_of(b"RIFF....WEBP", ".webp") == ".webp"
    assert suffix_of(b"", ".tif") == ".tif"
