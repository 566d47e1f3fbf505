"""Real images, and altered copies of them."""

# Tests singleshot/data/image_files/hashes.py
from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from singleshot.data.image_files.duplicates import find_duplicates, group_duplicates
from singleshot.data.image_files.hashes import GRID, ImageHashes, hash_image_files, perceptual_hash

ALTERATIONS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "compressed": lambda image: image,  # saved with quality 40
    "half as large": lambda image: image.resize((image.width // 2, image.height // 2)),
    "squeezed": lambda image: image.resize((300, 300)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.25),
    "grey": lambda image: image.convert("L"),
    "flipped": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "cropped": lambda image: image.crop((3, 3, image.width - 3, image.height - 3)),
}


@pytest.fixture(scope="module")
def photographs(shared: Path) -> list[Path]:
    return sorted((shared / "data/voc2012_100/VOC2012/JPEGImages").glob("*.jpg"))


def scene(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Coloured spots, smooth as a photograph is."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def save(image: Image.Image, path: Path, quality: int = 90) -> Path:
    image.save(path, quality=quality)
    return path


def test_a_hundred_photographs_have_no_duplicates(photographs):
    found = find_duplicates(photographs)
    assert (found.exact, found.near, found.unreadable) == ([], [], {})
    assert len(set(found.groups().tolist())) == 100


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_an_altered_copy_of_a_photograph_is_found(alteration, photographs, tmp_path):
    originals = photographs[:30]
    copies = [
        save(ALTERATIONS[alteration](Image.open(path)), tmp_path / path.name, quality=40)
        for path in originals
    ]
    found = find_duplicates([*originals, *copies])
    expected = [[index, index + 30] for index in range(30)]
    assert found.near == expected
    assert {pair.flipped for pair in found.pairs} == {alteration == "flipped"}


def test_the_copy_in_kangaroo_is_exact(shared):
    paths = sorted((shared / "data/kangaroo/JPEGImages").glob("*.jpg"))
    found = find_duplicates(paths)
    assert [[paths[index].name for index in group] for group in found.exact] == [
        ["00007.jpg", "00033.jpg"]
    ]
    assert found.near == []


def test_a_copy_of_the_bytes_is_exact_and_in_no_near_group(tmp_path):
    paths = [save(scene(seed), tmp_path / f"{seed}.png") for seed in range(3)]
    again = tmp_path / "again.png"
    again.write_bytes(paths[1].read_bytes())
    found = find_duplicates([*paths, again])
    assert (found.exact, found.near) == ([[1, 3]], [])
    assert found.groups().tolist() == [0, 1, 2, 1]


def test_a_near_group_contains_the_exact_copies(tmp_path):
    first = save(scene(0), tmp_path / "a.png")
    again = tmp_path / "b.png"
    again.write_bytes(first.read_bytes())
    compressed = save(scene(0), tmp_path / "c.jpg", quality=50)
    found = find_duplicates([first, again, compressed])
    assert (found.exact, found.near) == ([[0, 1]], [[0, 1, 2]])
    assert len(found.pairs) == 1
    assert found.pairs[0].correlation > 0.99


def test_images_of_one_colour_resemble_nothing(tmp_path):
    colours = ("white", "black", "#fefefe")
    paths = [
        save(Image.new("RGB", (50, 40), colour), tmp_path / f"{colour}.png") for colour in colours
    ]
    assert find_duplicates(paths).groups().tolist() == [0, 1, 2]


def test_what_is_no_image_is_skipped_and_listed(tmp_path):
    text = tmp_path / "notes.jpg"
    text.write_text("no image")
    paths = [save(scene(0), tmp_path / "a.png"), text, tmp_path / "missing.jpg"]
    found = find_duplicates([*paths, text])
    assert (found.exact, found.near) == ([], [])
    assert sorted(found.unreadable) == [1, 2, 3]
    assert "there is no such image" in found.unreadable[2]
    assert found.groups().tolist() == [0, 1, 2, 3]


def test_an_image_is_hashed_as_displayed(tmp_path):
    upright = save(scene(0), tmp_path / "upright.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held sideways
    sideways = tmp_path / "sideways.jpg"
    scene(0).transpose(Image.Transpose.ROTATE_90).save(sideways, exif=exif, quality=90)
    assert find_duplicates([upright, sideways]).near == [[0, 1]]


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (2000, 2)])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "I;16", "RGBA", "1"])
def test_images_of_any_mode_and_size_are_hashed(size, mode, tmp_path):
    grey = Image.new("I;16", size) if mode == "I;16" else Image.new("RGB", size).convert(mode)
    hashes = hash_image_files([save(grey, tmp_path / "a.png")])
    assert (len(hashes), hashes.unreadable) == (1, {})


def test_no_images_have_no_duplicates():
    found = find_duplicates([])
    assert (found.exact, found.near, found.groups().tolist()) == ([], [], [])


def test_progress_counts_the_images(tmp_path):
    paths = [save(scene(seed), tmp_path / f"{seed}.png") for seed in range(3)]
    calls: list[tuple[int, int]] = []
    find_duplicates(paths, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


@given(st.integers(0, 2**32 - 1))
def test_the_second_hash_is_that_of_the_flipped_image(seed):
    grey = np.random.default_rng(seed).uniform(0, 255, (GRID, GRID))
    own, flipped = perceptual_hash(grey)
    assert perceptual_hash(grey[:, ::-1]) == (flipped, own)
    assert own.bit_count() == 32


def test_scaling_brightness_keeps_the_hash():
    grey = np.random.default_rng(0).uniform(0, 100, (GRID, GRID))
    assert perceptual_hash(2 * grey + 7) == perceptual_hash(grey)


def made_up(thumbnails: np.ndarray) -> ImageHashes:
    """Hashes of grey copies, without files."""
    pairs = [perceptual_hash(np.kron(one, np.ones((2, 2)))) for one in thumbnails]
    names = np.array([f"{index}.jpg" for index in range(len(pairs))])
    return ImageHashes(
        paths=names,
        digests=names,
        hashes=np.array([own for own, _ in pairs], dtype=np.uint64),
        flipped=np.array([flipped for _, flipped in pairs], dtype=np.uint64),
        thumbnails=thumbnails.astype(np.uint8),
        unreadable={},
    )


def test_the_groups_are_those_of_comparing_all_pairs():
    random = np.random.default_rng(0)
    sources = np.kron(random.uniform(0, 255, (40, 8, 8)), np.ones((2, 2)))
    owners = random.integers(0, 40, 300)
    frames = (sources[owners] + random.normal(0, 3, (300, 16, 16))).clip(0, 255)
    found = group_duplicates(made_up(frames))
    groups = found.groups()
    assert np.array_equal(groups[:, None] == groups, owners[:, None] == owners)
    # As many pairs as it takes to connect the groups.
    assert len(found.pairs) == 300 - len(np.unique(owners))


def test_thousands_of_frames_of_one_camera_are_one_group():
    random = np.random.default_rng(0)
    view = np.kron(random.uniform(50, 200, (8, 8)), np.ones((2, 2)))
    frames = view + random.normal(0, 1, (3000, 16, 16))
    assert len(group_duplicates(made_up(frames)).near) == 1


def test_bytes_of_a_jpeg_saved_twice_differ_and_its_look_does_not(tmp_path):
    buffer = io.BytesIO()
    scene(3).save(buffer, "JPEG", quality=95)
    first, second = tmp_path / "1.jpg", tmp_path / "2.jpg"
    first.write_bytes(buffer.getvalue())
    Image.open(first).save(second, quality=95)
    found = find_duplicates([first, second])
    assert (found.exact, found.near) == ([], [[0, 1]])
