"""Rules of repeats, against the factors that the training computes by the same threshold."""

import numpy as np
import pytest
from tasks import task

from singleshot.auto.balance_rules import choose_repeats
from singleshot.data.repeats import class_factors


@pytest.mark.parametrize(
    ("images_per_class", "threshold"),
    [
        ({"cat": 200, "dog": 60}, 0.0),
        # Between 40 and 160 images of 300: 80 / 300. The rarest comes √(80 / 10) times as often.
        ({"cat": 160, "dog": 40, "owl": 10}, 0.27),
        # At most five times: 25 · 10 / 300, where 285 / 300 lies between.
        ({"cat": 290, "dog": 280, "owl": 10}, 0.83),
    ],
)
def test_images_of_rare_classes_are_drawn_more_often(images_per_class, threshold):
    (choice,) = choose_repeats(task(images_per_class=images_per_class))
    assert choice.value == threshold
    least, most = min(images_per_class.values()), max(images_per_class.values())
    assert f"in {least} of 300 images, cat in {most}" in choice.reason
    factors = class_factors(np.array(list(images_per_class.values())), 300, threshold)
    assert factors.max() <= 5.05
    if threshold:
        assert f"{factors.max():.1f} times" in choice.reason


def test_equal_classes_are_described_as_such():
    (choice,) = choose_repeats(task(images_per_class={"cat": 200, "dog": 200, "owl": 0}))
    assert choice.value == 0.0
    assert choice.reason == (
        "each of 2 classes is in 200 of 300 images: all images are drawn equally often"
    )


def test_a_class_of_one_image_does_not_decide_for_the_others():
    (choice,) = choose_repeats(task(images_per_class={"cat": 160, "dog": 40, "owl": 10, "dgo": 1}))
    assert choice.value == 0.13  # √(160 · 10) of 300 images
    factors = class_factors(np.array([160, 40, 10, 1]), 300, choice.value)
    assert factors.round(1).tolist() == [1.0, 1.0, 2.0, 6.2]


def test_a_single_class_needs_no_balance_unless_most_images_are_empty():
    assert choose_repeats(task(images_per_class={"cat": 200, "dog": 0}, num_empty=100)) == []
    assert choose_repeats(task(images_per_class={"cat": 0})) == []
    few = {"num_images": 10_000, "num_empty": 9800}
    (choice,) = choose_repeats(task(images_per_class={"cat": 200}, **few))
    assert choice.value == 0.14  # √(200 · 9800) of 10,000 images
    assert choice.reason == (
        "cat is in 200 of 10,000 images, 9,800 have no object: images of cat are drawn 2.6 times"
    )
    (choice,) = choose_repeats(task(images_per_class={"cat": 100, "dog": 100}, **few))
    assert choice.value == 0.099
    assert choice.reason.startswith("each of 2 classes is in 100 of 10,000 images, 9,800 have no")
