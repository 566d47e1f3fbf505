"""Augmented images beside torchvision's functions, where both do the same job.

Our contrast multiplies, as the original's does, and so is torchvision's brightness; its contrast
and saturation blend with grey, which SSD does not, and nothing of it adds brightness.
"""

import colorsys

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as F
from PIL import Image
from torchvision import tv_tensors

from singleshot.data.augment.colours import ColourChange
from singleshot.data.augment.render import Render
from singleshot.data.augment.view import View
from singleshot.structures import Sample, Truth

HEIGHT, WIDTH = 60, 90


@pytest.fixture
def sample(random):
    """Smooth colours with noise, and three boxes in whole pixels."""
    coarse = torch.rand(1, 3, 6, 9, generator=random) * 255
    smooth = torch.nn.functional.interpolate(coarse, (HEIGHT, WIDTH), mode="bilinear")[0]
    noise = 20 * torch.rand(3, HEIGHT, WIDTH, generator=random)
    boxes = torch.tensor([[10.0, 10, 50, 40], [30, 20, 88, 59], [0, 0, 90, 60]])
    truth = Truth.of(boxes, torch.arange(3))
    return Sample((smooth + noise).clamp(0, 255).to(torch.uint8), truth, "")


def changed(sample, **change):
    pixels = ColourChange(**change)(sample.image.permute(1, 2, 0).numpy())
    return torch.from_numpy(pixels).permute(2, 0, 1)


def drawn(sample, window, size, *, flipped=False, upside_down=False):
    view = View(sample, window, sample.truth, flipped, ColourChange(), upside_down)
    return Render(size, ("bilinear",), (0, 0, 0))(view, torch.Generator())


def boxes_of(sample):
    return tv_tensors.BoundingBoxes(
        sample.truth.boxes, format="XYXY", canvas_size=(HEIGHT, WIDTH), dtype=torch.float32
    )


@pytest.mark.parametrize("factor", [0.5, 0.83, 1.27, 1.5])
def test_contrast_is_torchvisions_brightness(sample, factor):
    expected = F.adjust_brightness(sample.image, factor)
    found = changed(sample, contrast=factor)
    # It drops the fraction where we round.
    assert (found.int() - expected.int()).unique().tolist() in ([0], [0, 1])


@pytest.mark.parametrize("degrees", [-36.0, -7.5, 3.0, 20.0, 36.0])
def test_hue_is_torchvisions(sample, degrees):
    expected = F.adjust_hue(sample.image / 255, degrees / 360) * 255
    found = changed(sample, hue=degrees)
    torch.testing.assert_close(found.float(), expected, atol=0.51, rtol=0)


def test_saturation_is_that_of_python(sample):
    found = changed(sample, saturation=1.4)
    for x, y in ((0, 0), (40, 20), (89, 59), (17, 33)):
        h, s, v = colorsys.rgb_to_hsv(*(sample.image[:, y, x] / 255).tolist())
        expected = [255 * value for value in colorsys.hsv_to_rgb(h, min(1.4 * s, 1), v)]
        np.testing.assert_allclose(found[:, y, x].numpy(), expected, atol=0.51)


def test_a_flip_is_torchvisions(sample):
    found = drawn(sample, (0, 0, WIDTH, HEIGHT), (HEIGHT, WIDTH), flipped=True)
    assert torch.equal(found.image, F.horizontal_flip(sample.image))
    assert torch.equal(
        found.truth.boxes, F.horizontal_flip(boxes_of(sample)).as_subclass(torch.Tensor)
    )


def test_a_vertical_flip_is_torchvisions(sample):
    found = drawn(sample, (0, 0, WIDTH, HEIGHT), (HEIGHT, WIDTH), upside_down=True)
    assert torch.equal(found.image, F.vertical_flip(sample.image))
    assert torch.equal(
        found.truth.boxes, F.vertical_flip(boxes_of(sample)).as_subclass(torch.Tensor)
    )


@pytest.mark.parametrize("size", [(30, 30), (37, 50), (100, 120)])
def test_resizing_is_torchvisions(sample, size):
    pillow = Image.fromarray(sample.image.permute(1, 2, 0).numpy())
    found = drawn(sample, (0, 0, WIDTH, HEIGHT), size)
    assert torch.equal(found.image, F.pil_to_tensor(F.resize(pillow, list(size))))
    expected = F.resize(boxes_of(sample), list(size)).as_subclass(torch.Tensor)
    torch.testing.assert_close(found.truth.boxes, expected)


@pytest.mark.parametrize("size", [(20, 20), (64, 64)])
def test_a_resized_crop_is_torchvisions_but_for_its_edge(sample, size):
    top, left, height, width = 10, 20, 40, 50
    pillow = Image.fromarray(sample.image.permute(1, 2, 0).numpy())
    expected = F.pil_to_tensor(F.resized_crop(pillow, top, left, height, width, list(size)))
    found = drawn(sample, (left, top, left + width, top + height), size)
    # At the edge we see the pixels beyond it, too, which it has cut off.
    inner = (slice(None), slice(2, -2), slice(2, -2))
    assert (found.image[inner].int() - expected[inner].int()).abs().max() <= 1
    assert not torch.equal(found.image, expected)
    boxes = F.resized_crop(boxes_of(sample), top, left, height, width, list(size))
    torch.testing.assert_close(found.truth.boxes, boxes.as_subclass(torch.Tensor))
