"""Decoding images of requests."""

from __future__ import annotations

from io import BytesIO

import pytest
import torch
from PIL import Image
from stubs import encoded_image

from singleshot.data.image_files.decoding import read_image
from singleshot.serving.images import MOST_SCANS, PixelLimits, decode_image
from singleshot.serving.problems import Problem


def refusal(content, max_pixels=10_000):
    with pytest.raises(Problem) as refused:
        decode_image(content, PixelLimits(max_pixels, 10**9))
    return refused.value.kind


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "CMYK"), ("PNG", "RGBA"), ("WEBP", "RGB")])
def test_an_image_is_decoded_as_its_file_is_read(tmp_path, random, kind, mode, orientation):
    pixels = torch.randint(256, (20, 30, len(mode)), generator=random, dtype=torch.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = tmp_path / "image"
    Image.fromarray(pixels.numpy(), mode).save(file, kind, exif=exif)
    decoded = decode_image(file.read_bytes(), PixelLimits(10_000, 10_000))
    assert decoded.shape == ((3, 20, 30) if orientation == 1 else (3, 30, 20))
    assert torch.equal(decoded, read_image(file))


def test_other_formats_are_not_decoded():
    for kind in ("GIF", "BMP", "TIFF", "PPM", "ICO"):
        stream = BytesIO()
        Image.new("RGB", (32, 32)).save(stream, kind)
        assert refusal(stream.getvalue()) == "unsupported format"
    assert refusal(b"%!PS-Adobe-3.0 EPSF-3.0\n") == "unsupported format"
    assert refusal(b"\x80\x04\x95pickle") == "unsupported format"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_large_images_are_refused_by_their_header(kind):
    content = encoded_image(kind, (200, 100))
    assert refusal(content, 19_999) == "too many pixels"
    assert decode_image(content, PixelLimits(20_000, 20_000)).shape == (3, 100, 200)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_files_that_are_cut_short_are_broken(kind):
    content = encoded_image(kind, (90, 90))
    assert refusal(content[: len(content) * 3 // 4]) == "broken image"


def test_a_jpeg_of_many_scans_is_not_decoded():
    content = encoded_image("JPEG", (16, 16), progressive=True)
    assert decode_image(content, PixelLimits(10_000, 10_000)).shape == (3, 16, 16)
    scan = content[content.rindex(b"\xff\xda") : -2]
    assert refusal(content[:-2] + scan * MOST_SCANS + content[-2:]) == "broken image"


def test_all_decoded_images_together_have_a_limit():
    limits = PixelLimits(1000, 1500)
    content = encoded_image("PNG", (40, 25))
    image = decode_image(content, limits)
    with pytest.raises(Problem) as refused:
        decode_image(content, limits)
    assert (refused.value.status, refused.value.kind) == (429, "too many pixels at once")
    assert limits.number == 1000
    del image
    assert limits.number == 0
    with pytest.raises(Problem, match="broken"):
        decode_image(encoded_image("JPEG", (40, 25))[:-200], limits)
    assert limits.number == 0
