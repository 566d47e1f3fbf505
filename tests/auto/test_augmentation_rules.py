"""Rules of augmentation: its strength, and flips."""

import numpy as np
import pytest
from tasks import start, task

from singleshot.auto.augmentation_rules import choose_augmentation


def augmentation(num_steps=4000, **facts):
    choices = choose_augmentation(task(**facts), (320, 320), num_steps)
    return {choice.key.removeprefix("augmentation."): choice.value for choice in choices}


def test_a_long_training_has_the_papers_strength_and_a_short_one_less():
    assert augmentation() == {"crop.probability": 1.0, "expand.up_to": 4.0, "flip": 0.5}
    assert augmentation(500) == {"crop.probability": 0.5, "expand.up_to": 2.0, "flip": 0.5}


def test_small_objects_are_made_less_small():
    # A twentieth of 320 is 16 pixels.
    assert augmentation(sides=np.full(100, 0.05))["expand.up_to"] == 2.0


@pytest.mark.parametrize(
    ("names", "flip"),
    [
        (["cat", "dog"], 0.5),
        (["0", "1", "2"], 0.0),
        (["A", "b"], 0.0),
        (["arrow left", "arrow right"], 0.0),
        (["RBC", "copyright"], 0.5),
        (["right_hand", "upright"], 0.0),
        (["turnLeft"], 0.0),
        (["left1", "arrow_Right2"], 0.0),
        (["RIGHT2"], 0.0),
        (["0"], 0.5),
    ],
)
def test_images_are_not_flipped_where_classes_would_change(names, flip):
    assert augmentation(objects_per_class=dict.fromkeys(names, 9))["flip"] == flip


def test_a_start_with_values_of_its_own_keeps_them():
    assert augmentation(start=start()) == {}
    assert augmentation(start=start(), objects_per_class={"7": 9, "8": 9}) == {"flip": 0.0}
    assert set(augmentation(start=start(has_tables=False))) == {"crop.probability", "expand.up_to"}
