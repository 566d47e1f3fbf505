from __future__ import annotations

import pytest
from PIL import Image

from singleshot.data.image_files.decoding import read_image
from singleshot.data.image_files.headers import read_header, read_headers

ORIENTATION = 0x0112  # the EXIF tag


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tif"])
def test_the_size_is_that_of_the_decoded_image(tmp_path, suffix):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (40, 30)).save(path, **({} if suffix == "bmp" else {"exif": exif}))
    header = read_header(path)
    assert header.size == tuple(read_image(path).shape[1:])
    assert header.state == "whole"
    assert header.is_sideways == (suffix in ("jpg", "png", "webp"))


@pytest.mark.parametrize(
    ("kept", "state"),
    [(1.0, "whole"), (0.5, "truncated"), (0.001, "unreadable"), (0, "unreadable")],
)
def test_a_file_that_is_cut_short_is_noticed(tmp_path, kept, state):
    path = tmp_path / "a.jpg"
    Image.effect_noise((400, 300), 90).convert("RGB").save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    header = read_header(path)
    assert header.state == state
    assert bool(header.problem) == (state == "unreadable")


def test_bytes_behind_the_end_do_no_harm(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("RGB", (400, 300)).save(path)
    path.write_bytes(path.read_bytes() + bytes(9000))
    assert read_header(path).state == "whole"


def test_headers_come_in_the_order_of_their_paths(tmp_path):
    paths = [tmp_path / f"{width}.png" for width in (3, 1, 2)]
    for path in paths:
        Image.new("RGB", (int(path.stem), 5)).save(path)
    assert [header.size for header in read_headers(paths)] == [(5, 3), (5, 1), (5, 2)]
