"""What windows learn: objects, hard background, or nothing."""

from dataclasses import replace

import pytest
import torch

from singleshot.detectors.common.regions import BACKGROUND, IGNORED
from singleshot.detectors.sliding_window.network import (
    WindowSampling,
    hardest_windows,
    hinge_losses,
    window_labels,
    window_losses,
)
from singleshot.recipes.load import load_recipe
from singleshot.structures import Objects, Truth

# Side by side, 10 pixels wide; the second half of them lies lower.
WINDOWS = torch.tensor([[x, y, x + 10.0, y + 10.0] for y in (0.0, 50.0) for x in range(0, 80, 2)])


@pytest.fixture
def sampling():
    return WindowSampling.from_settings(load_recipe("sliding-window").model)


def objects(*boxes, labels=None):
    labels = list(range(len(boxes))) if labels is None else labels
    return Objects(torch.tensor(boxes).reshape(-1, 4), torch.tensor(labels, dtype=torch.int64))


def test_windows_learn_the_object_they_cover_and_ignore_what_they_touch(sampling):
    labels = window_labels(WINDOWS, objects([20.0, 0, 30, 10], labels=[2]), sampling)
    # Shifted by 2 of 10 pixels they overlap by 8/12, by 4 pixels 6/14, by 6 pixels 4/16.
    assert labels[7:14].tolist() == [BACKGROUND, IGNORED, 3, 3, 3, IGNORED, BACKGROUND]
    assert (labels[14:] == BACKGROUND).all()


def test_an_object_that_no_window_covers_well_has_the_best_one(sampling):
    labels = window_labels(WINDOWS, objects([20.0, 0, 30, 20]), sampling)
    assert (labels > BACKGROUND).nonzero().flatten().tolist() == [10]


def test_an_object_much_smaller_than_all_windows_is_not_learned(sampling):
    assert (window_labels(WINDOWS, objects([20.0, 0, 23, 3]), sampling) == BACKGROUND).all()


def test_the_hinge_is_paid_by_each_class_within_its_margin():
    margins = torch.tensor([[0.5, -2.0], [0.5, -2.0], [0.5, -0.5]])
    # y·m of the first window are 0.5 and 2, of the background -0.5 and 2.
    assert hinge_losses(margins, torch.tensor([1, BACKGROUND, 2])).tolist() == [0.5, 1.5, 3.0]


def test_the_hardest_of_background_are_three_for_each_window_that_has_a_class(sampling):
    sampling = replace(sampling, min_negatives=1)
    losses = torch.tensor([9.0, 8, 7, 6, 5, 4])
    labels = torch.tensor([1, BACKGROUND, IGNORED, BACKGROUND, BACKGROUND, BACKGROUND])
    chosen = hardest_windows(losses, labels, sampling)
    assert chosen.tolist() == [False, True, False, True, True, False]


def test_an_image_without_objects_learns_from_its_hardest_windows(sampling):
    margins = torch.full((1, len(WINDOWS), 2), -3.0)
    margins[0, :40, 0] = torch.linspace(-1, 1, 40)
    nothing = Truth.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    losses = window_losses(margins, WINDOWS, [nothing], "svm", sampling)
    assert losses.num_matches == 0
    # The 20 hardest: the upper half of the ramp, each 1 + m.
    assert float(losses.terms["classification"]) == pytest.approx(
        float(1 + margins[0, 20:40, 0].mean())
    )


@pytest.mark.parametrize("recipe", ["sliding-window", "sliding-window-cnn"])
def test_a_batch_costs_the_mean_of_its_images(recipe, random):
    settings = load_recipe(recipe).model
    sampling = WindowSampling.from_settings(settings)
    outputs = torch.randn(2, len(WINDOWS), 3, generator=random)
    truths = [
        Truth.of(torch.tensor([[20.0, 0, 30, 10]]), torch.tensor([1])),
        Truth.of(torch.tensor([[0.0, 50, 10, 60], [40, 50, 50, 60]]), torch.tensor([0, 1])),
    ]
    both = window_losses(outputs, WINDOWS, truths, settings.classifier, sampling)
    each = [
        window_losses(part[None], WINDOWS, [truth], settings.classifier, sampling)
        for part, truth in zip(outputs, truths, strict=True)
    ]
    expected = (each[0].terms["classification"] + each[1].terms["classification"]) / 2
    torch.testing.assert_close(both.terms["classification"], expected)
    assert both.num_matches == each[0].num_matches + each[1].num_matches > 0


def test_a_crowd_is_not_learned(sampling):
    truth = Truth.of(torch.tensor([[20.0, 0, 30, 10]]), torch.tensor([0]))
    truth.crowd[:] = True
    margins = torch.zeros(1, len(WINDOWS), 1)
    assert window_losses(margins, WINDOWS, [truth], "svm", sampling).num_matches == 0
