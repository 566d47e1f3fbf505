import numpy as np
import pytest
import torch
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


sides = st.integers(1, 20_000)


@given(sides, sides, st.integers(1, 1000))
def test_the_shape_stays_and_nothing_is_enlarged(height, width, side):
    rows, columns = shrunk_size((height, width), side)
    assert min(rows, columns) == min(height, width, side)
    assert rows <= height
    assert columns <= width
    assert abs(rows / height - columns / width) <= 1 / min(height, width)
    assert shrunk_size((height, width), None) == (height, width)
