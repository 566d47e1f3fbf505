from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import PIL
import pytest
import torch
from PIL import Image

from singleshot.data.image_files.decoding import (
    image_size,
    read_image,
    read_image_bytes,
    read_scaled,
    read_upright,
)
from singleshot.errors import DataError

RED, GREEN, WHITE = (255, 0, 0), (0, 255, 0), (255, 255, 255)


def pixel(path: Path, x: int = 0, y: int = 0) -> tuple[int, ...]:
    return tuple(read_image(path)[:, y, x].tolist())


YCBCR = pytest.param(
    "YCbCr",
    marks=pytest.mark.skipif(
        PIL.__version__.startswith("12."), reason="Pillow 12 does not read the TIFF that it wrote"
    ),
)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", YCBCR, "LAB"])
def test_every_mode_becomes_three_channels_of_bytes(tmp_path, mode):
    Image.new(mode, (5, 4)).save(tmp_path / "a.tif")
    read = read_image(tmp_path / "a.tif")
    assert read.shape == (3, 4, 5)
    assert read.dtype == torch.uint8


def test_colours_arrive_in_the_order_red_green_blue(tmp_path):
    Image.new("RGB", (3, 2), (10, 20, 30)).save(tmp_path / "a.png")
    assert pixel(tmp_path / "a.png") == (10, 20, 30)


def test_cmyk_jpeg_shows_its_colour(tmp_path):
    Image.new("RGB", (8, 8), RED).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    red, green, blue = pixel(tmp_path / "a.jpg")
    assert red > 250
    assert green < 5
    assert blue < 5


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (257, 1), (32896, 128), (65535, 255)])
def test_sixteen_bits_are_scaled_by_their_whole_range(tmp_path, value, expected):
    Image.fromarray(np.full((2, 2), value, np.uint16)).save(tmp_path / "a.png")
    assert pixel(tmp_path / "a.png") == (expected, expected, expected)


def test_floating_point_gray_has_no_agreed_range(tmp_path):
    Image.fromarray(np.full((2, 2), 0.5, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match=r"a\.tif.*no agreed range.*convert it"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_shows_white(tmp_path, mode):
    if mode == "P":
        image = Image.new("P", (2, 2), 0)
        image.putpalette([255, 0, 0, 0, 255, 0])
        image.save(tmp_path / "a.png", transparency=0)
    else:
        Image.new(mode, (2, 2), 0).save(tmp_path / "a.png")
    assert pixel(tmp_path / "a.png") == WHITE


def test_half_transparent_red_shows_pink(tmp_path):
    Image.new("RGBA", (2, 2), (*RED, 128)).save(tmp_path / "a.png")
    assert pixel(tmp_path / "a.png") == (255, 127, 127)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_to_image_and_size_alike(tmp_path, orientation, suffix):
    """The stored image is the displayed one, turned back: red must come out top left."""
    displayed = Image.new("RGB", (48, 32), GREEN)
    displayed.paste(RED, (0, 0, 16, 16))
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = displayed if orientation == 1 else displayed.transpose(UNDO[orientation])
    stored.save(path, exif=exif)
    assert image_size(path) == (32, 48)
    assert read_image(path).shape == (3, 32, 48)
    assert pixel(path, x=4, y=4)[0] > 200
    assert pixel(path, x=40, y=28)[1] > 200


UNDO = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def test_of_an_animation_the_first_frame_is_read(tmp_path):
    first, second = (Image.new("RGB", (4, 4), colour) for colour in (RED, GREEN))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert pixel(tmp_path / "a.gif") == RED


def test_the_smallest_image_can_be_written_to(tmp_path):
    Image.new("RGB", (1, 1), RED).save(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png")
    read += 0
    assert read.is_contiguous()


def test_a_folder_in_place_of_an_image_is_named(tmp_path):
    with pytest.raises(DataError, match="is a folder where an image is expected"):
        read_image(tmp_path)


def test_truncated_jpeg_is_never_padded_with_gray(shared):
    path = shared / "data/broken_jpeg/00090.jpg"
    assert image_size(path) == (393, 590)
    with pytest.raises(
        DataError, match=r"00090\.jpg: the image is broken \(image file is truncated.*replace"
    ):
        read_image(path)


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "tif", "webp", "jpg"])
def test_an_image_cut_in_half_names_itself(tmp_path, suffix):
    path = tmp_path / f"half.{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=f"half.{suffix}.*(replace|remove)"):
        read_image(path)


def test_a_png_with_a_wrong_checksum_names_itself(tmp_path):
    path = tmp_path / "a.png"
    header = struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)
    chunk = (
        struct.pack(">I", len(header)) + b"IHDR" + header + struct.pack(">I", zlib.crc32(header))
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    with pytest.raises(DataError, match=r"a\.png"):
        read_image(path)


@pytest.mark.parametrize("read", [read_image, image_size])
def test_missing_and_foreign_files_are_named(tmp_path, read):
    with pytest.raises(DataError, match=r"gone\.jpg: there is no such image"):
        read(tmp_path / "gone.jpg")
    (tmp_path / "text.jpg").write_text("not an image")
    with pytest.raises(DataError, match=r"text\.jpg: is not an image"):
        read(tmp_path / "text.jpg")


def test_an_image_of_too_many_pixels_is_too_large_not_broken(tmp_path, monkeypatch):
    Image.new("L", (2000, 2000)).save(tmp_path / "scan.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_500_000)  # Pillow refuses twice as many
    with pytest.raises(DataError, match=r"scan\.png: .* too large: 4 megapixels, at most 3; cut"):
        read_image(tmp_path / "scan.png")


def test_a_pointer_of_git_lfs_is_named(tmp_path):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    (tmp_path / "a.jpg").write_text(pointer)
    with pytest.raises(DataError, match="git lfs pull"):
        read_image(tmp_path / "a.jpg")


def test_a_path_may_be_text(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (4, 3), "red").save(path)
    assert read_image(str(path)).tolist() == read_image(path).tolist()


def test_a_jpeg_file_that_is_cut_short_is_read_on_request(tmp_path):
    path = tmp_path / "a.jpg"
    Image.effect_noise((400, 300), 90).convert("RGB").save(path)
    whole = read_image(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="truncated"):
        read_image(path)
    half = read_image(path, truncated="keep")
    assert half.shape == whole.shape
    assert (half[:, :100] == whole[:, :100]).all()
    assert half[:, -50:].float().std() < 1


@pytest.mark.parametrize(
    ("form", "mode", "part"),
    [
        ("JPEG", "RGB", 4),
        ("JPEG", "L", 4),
        ("JPEG", "CMYK", 4),
        ("MPO", "RGB", 4),
        ("PNG", "RGB", 1),
    ],
)
def test_files_that_can_are_decoded_at_a_part_of_their_size(tmp_path, form, mode, part):
    path = tmp_path / "a"
    Image.new("RGB", (640, 480), RED).convert(mode).save(path, form)
    image, size = read_scaled(path, 100)
    assert size == (480, 640)
    assert image.shape == (3, 480 // part, 640 // part)
    assert torch.equal(image[:, 0, 0], read_image(path)[:, 0, 0])
    assert torch.equal(read_scaled(path, None)[0], read_image(path))


def test_an_image_that_is_small_enough_is_read_whole(tmp_path):
    Image.new("RGB", (64, 48), RED).save(tmp_path / "a.jpg")
    assert read_scaled(tmp_path / "a.jpg", 48)[0].shape == (3, 48, 64)
    assert read_scaled(tmp_path / "a.jpg", 1)[0].shape == (3, 6, 8)


def test_a_jpeg_file_that_is_cut_short_and_turned_is_encoded_upright(tmp_path):
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.effect_noise((400, 300), 90).convert("RGB").save(path, exif=exif)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    upright = read_image_bytes(read_upright(path), "a.jpg")
    kept = read_image(path, truncated="keep")
    assert upright.shape == kept.shape == (3, 400, 300)
    assert (upright.float() - kept.float()).abs().mean() < 10
    path.with_suffix(".png").write_bytes(b"nothing")
    with pytest.raises(DataError, match="not an image"):
        read_upright(path.with_suffix(".png"))
