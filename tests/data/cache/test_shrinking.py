from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from singleshot.boxes.geometry import area
from singleshot.data.cache.memory import cache_images
from singleshot.data.cache.shrinking import ShrunkImages, shrunk_size
from singleshot.data.dataset import DataSet
from singleshot.structures import Truth


@pytest.fixture
def square(tmp_path):
    """A white rectangle in a black image of 160 x 120 pixels, and a smaller image."""
    pixels = np.zeros((120, 160, 3), np.uint8)
    pixels[20:80, 40:120] = 255
    truths = [Truth.of(torch.tensor([[40.0, 20, 120, 80]]), torch.tensor([0]))] * 2
    paths = [tmp_path / "large.png", tmp_path / "small.png"]
    Image.fromarray(pixels).save(paths[0])
    Image.fromarray(pixels[:30, :40]).save(paths[1])
    return DataSet.of(["square"], list(zip(paths, truths, strict=True)), description="made up")


def test_boxes_and_areas_shrink_with_their_image(square):
    sample = ShrunkImages(square, 60)[0]
    assert sample.image.shape == (3, 60, 80)
    assert sample.truth.boxes.tolist() == [[20, 10, 60, 40]]
    assert torch.equal(sample.truth.areas, area(sample.truth.boxes))
    rows, columns = (sample.image[0] > 127).nonzero(as_tuple=True)
    found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert [int(edge) for edge in found] == [20, 10, 60, 40]


def test_smaller_images_stay_as_they_are(square):
    images = ShrunkImages(square, 60)
    assert torch.equal(images[1].image, square[1].image)
    assert torch.equal(images[1].truth.boxes, square[1].truth.boxes)


def test_a_cached_sample_is_that_of_the_shrunk_image(square):
    cached, plain = cache_images(square, 0.5, print, shorter_side=60), ShrunkImages(square, 60)
    assert cached.pixels.nbytes == 3 * (60 * 80 + 30 * 40)
    assert torch.equal(cached[0].image, plain[0].image)
    assert torch.equal(cached[0].truth.boxes, plain[0].truth.boxes)
    assert torch.equal(cached[0].truth.areas, plain[0].truth.areas)


@pytest.fixture(params=[False, True], ids=["upright", "turned"])
def photograph(tmp_path, request):
    """A smooth JPEG image that is displayed with 600 x 400 pixels, and an object in it."""
    x, y = np.meshgrid(np.linspace(0, 1, 600), np.linspace(0, 1, 400))
    planes = np.stack([x, y, (np.sin(9 * x) + np.cos(7 * y) + 2) / 4], axis=-1)
    pixels, exif = np.rint(255 * planes).astype(np.uint8), Image.Exif()
    if request.param:
        pixels, exif[0x0112] = np.ascontiguousarray(np.rot90(pixels)), 6
    path = tmp_path / "photograph.jpg"
    Image.fromarray(pixels).save(path, quality=95, exif=exif)
    truth = Truth.of(torch.tensor([[60.0, 40, 120, 80]]), torch.tensor([0]))
    return DataSet.of(["square"], [(path, truth)], description="made up")


@pytest.mark.parametrize(
    ("side", "part"), [(50, 8), (51, 4), (100, 4), (101, 2), (200, 2), (201, 1), (390, 1)]
)
def test_a_jpeg_file_is_decoded_no_larger_than_needed(photograph, side, part):
    whole = photograph[0].image
    decoded, in_file = photograph.read(0, side)
    assert decoded.image.shape == (3, 400 // part, 600 // part)
    assert in_file == (400, 600)
    sample = ShrunkImages(photograph, side)[0]
    size = shrunk_size((400, 600), side)
    assert sample.image.shape == (3, *size)
    x, y = size[1] / 600, size[0] / 400
    assert sample.truth.boxes[0].tolist() == pytest.approx([60 * x, 40 * y, 120 * x, 80 * y])
    # As the whole image is when it is shrunk, but for what compression changes.
    shrunk = F.interpolate(whole[None].float(), size, mode="bicubic", antialias=True)
    assert (sample.image.float() - shrunk[0]).abs().mean() < 1


def test_a_jpeg_file_that_is_cut_short_is_shrunk_as_far_as_it_goes(photograph):
    path = Path(photograph.paths[0])
    path.write_bytes(path.read_bytes()[:-3000])
    image = ShrunkImages(photograph, 100)[0].image
    assert image.shape == (3, 100, 150)
    is_grey = (image == 128).all(dim=0)
    assert 0.05 < is_grey.float().mean() < 0.95


sides = st.integers(1, 20_000)


@given(sides, sides, st.integers(1, 1000))
def test_the_shape_stays_and_nothing_is_enlarged(height, width, side):
    rows, columns = shrunk_size((height, width), side)
    assert min(rows, columns) == min(height, width, side)
    assert rows <= height
    assert columns <= width
    assert abs(rows / height - columns / width) <= 1 / min(height, width)
    assert shrunk_size((height, width), None) == (height, width)
