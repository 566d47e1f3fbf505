"""Histograms of oriented gradients, held against OpenCV's own detector."""

import sys

import numpy as np
import pytest
import torch

from singleshot.backbones.backbone import grids
from singleshot.backbones.hog import Hog, hog_descriptor
from singleshot.errors import ModelError

cv2 = pytest.importorskip("cv2", reason="needs OpenCV: pip install 'singleshot[baselines]'")


def image_of(random, height, width):
    """Blots, so that there are gradients of all strengths."""
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=random) * 255
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear").round()


def test_a_linear_classifier_over_the_blocks_has_the_margins_of_opencv_at_every_window(random):
    image = image_of(random, 160, 120)
    weights = torch.randn(36, 15, 7, generator=random)
    ours = torch.conv2d(Hog()(image)[0], weights[None])[0, 0] + 0.25

    opencv = cv2.HOGDescriptor((64, 128), (16, 16), (8, 8), (8, 8), 9, 1, 8.0, 0, 0.2, False)
    opencv.setSVMDetector(np.append(weights.permute(2, 1, 0).numpy().ravel(), 0.25))
    pixels = image[0].permute(1, 2, 0).byte().numpy()
    corners, margins = opencv.detect(pixels, hitThreshold=-1e9, winStride=(8, 8))

    assert len(corners) == ours.numel() == 5 * 8
    for (x, y), margin in zip(corners, margins.ravel(), strict=True):
        assert float(ours[y // 8, x // 8]) == pytest.approx(margin, abs=1e-4)


def test_a_window_of_64_by_128_has_the_3780_numbers_of_the_paper():
    [blocks] = Hog()(torch.zeros(1, 3, 128, 64))
    assert blocks.numel() == 3780


def test_a_flat_image_has_no_direction():
    assert not Hog()(torch.full((1, 3, 64, 64), 77.0))[0].any()


def test_an_edge_down_the_image_counts_as_a_gradient_across():
    image = torch.zeros(1, 3, 32, 32)
    image[..., 16:] = 200
    directions = Hog()(image)[0][0].reshape(4, 9, 3, 3).sum(dim=(0, 2, 3))
    # Between the first and the last of nine directions from 0° to 180°.
    assert set(directions.topk(2).indices.tolist()) == {0, 8}


def test_no_value_is_larger_after_clipping_and_normalising_again(random):
    [blocks] = Hog()(image_of(random, 96, 96))
    lengths = blocks.norm(dim=1)
    assert (lengths < 1.001).all()
    assert lengths.max() > 0.9


@pytest.mark.parametrize(("size", "grid"), [((64, 64), (7, 7)), ((71, 130), (7, 15))])
def test_shapes_are_known_without_an_image(size, grid):
    assert grids(Hog(), torch.zeros(1, 3, *size)) == [grid]
    assert Hog()(torch.zeros(2, 3, *size))[0].shape == (2, 36, *grid)


def test_without_opencv_the_error_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    hog_descriptor.cache_clear()
    with pytest.raises(ModelError, match=r"singleshot\[baselines\]"):
        Hog()(torch.zeros(1, 3, 32, 32))
