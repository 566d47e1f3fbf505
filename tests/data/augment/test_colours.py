import colorsys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from singleshot.data.augment.colours import ColourChange

values = st.integers(0, 255)


def changed(pixel, **change):
    return ColourChange(**change)(np.array([[pixel]], np.uint8))[0, 0].tolist()


@given(st.tuples(values, values, values))
def test_no_change_is_exact(pixel):
    assert changed(pixel) == list(pixel)


def test_brightness_is_added_and_cut():
    assert changed((10, 100, 250), brightness=20) == [30, 120, 255]


def test_contrast_multiplies():
    assert changed((10, 100, 250), contrast=1.5) == [15, 150, 255]


def test_brightness_is_cut_before_contrast():
    assert changed((0, 0, 255), brightness=32, contrast=0.5) == [16, 16, 128]


def test_a_third_of_the_circle_turns_red_into_green():
    assert changed((200, 0, 0), hue=120) == pytest.approx([0, 200, 0], abs=0)


@given(st.tuples(values, values, values), st.floats(0.5, 1.5), st.floats(-36, 36))
def test_saturation_and_hue_are_those_of_hsv(pixel, saturation, hue):
    h, s, v = colorsys.rgb_to_hsv(*(value / 255 for value in pixel))
    expected = colorsys.hsv_to_rgb((h + hue / 360) % 1, min(s * saturation, 1), v)
    found = changed(pixel, saturation=saturation, hue=hue)
    assert found == pytest.approx([255 * value for value in expected], abs=0.501)


def test_contrast_last_is_not_contrast_first():
    pixel = (250, 200, 10)
    first = changed(pixel, contrast=1.5, saturation=0.5)
    last = changed(pixel, contrast=1.5, saturation=0.5, contrast_first=False)
    assert first != last
