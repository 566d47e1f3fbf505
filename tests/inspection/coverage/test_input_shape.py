import numpy as np
import pytest

from singleshot.inspection.coverage.input_shape import distortion, propose_input


def images(height: int, width: int, number: int = 5) -> np.ndarray:
    return np.array([[height, width]] * number)


def test_wide_images_get_a_wide_input_with_about_as_many_pixels():
    assert propose_input(images(1080, 1920), (320, 320)) == (256, 416)


def test_tall_images_get_a_tall_input():
    assert propose_input(images(1920, 1080), (320, 320)) == (416, 256)


def test_distortion_is_the_mean_factor_of_the_aspect_ratio():
    assert distortion(images(100, 200), (300, 300)) == pytest.approx(2)
    assert distortion(images(200, 100), (300, 300)) == pytest.approx(2)
    assert distortion(images(100, 200), (200, 400)) == 1


@pytest.mark.parametrize(
    "sizes",
    [images(480, 640), images(300, 300), np.concatenate([images(90, 160), images(160, 90)])],
    ids=["four by three", "square", "both ways"],
)
def test_other_images_keep_the_input(sizes):
    assert propose_input(sizes, (320, 320)) is None
