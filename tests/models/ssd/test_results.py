import torch

from singleshot.models.ssd.results import detections
from singleshot.recipes.load import load_recipe

PRIORS = torch.tensor([[0.25, 0.25, 0.5, 0.5], [0.3, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5]])


def settings_with(**results):
    changes = {f"model.results.{key}": value for key, value in results.items()}
    return load_recipe("ssd300-vgg16", changes).model


def found(logits, size=(100, 200), **settings):
    logits = torch.tensor(logits)[None]
    offsets = torch.zeros(1, 3, 4)
    return detections(offsets, logits, PRIORS, [size], settings_with(**settings))[0]


def test_of_overlapping_boxes_of_a_class_the_best_stays():
    result = found([[0.0, 4.0], [0.0, 5.0], [0.0, 3.0]])
    torch.testing.assert_close(
        result.boxes, torch.tensor([[10.0, 0, 110, 50], [100, 50, 200, 100]])
    )
    assert result.labels.tolist() == [0, 0]
    torch.testing.assert_close(result.scores, torch.tensor([5.0, 3.0]).sigmoid())


def test_boxes_of_different_classes_do_not_suppress_each_other():
    result = found([[0.0, 9.0, 0.0], [0.0, 0.0, 9.0], [9.0, 0.0, 0.0]])
    assert sorted(result.labels.tolist()) == [0, 1]


def test_low_scores_are_dropped():
    assert len(found([[9.0, 0.0]] * 3)) == 0


def test_no_more_are_kept_than_asked_for():
    assert len(found([[0.0, 4.0], [4.0, 0.0], [0.0, 3.0]], keep=1)) == 1


def test_boxes_are_clipped_to_the_picture():
    wide = torch.tensor([[[0.0, 0.0, 20.0, 20.0]]])
    result = detections(
        wide, torch.tensor([[[0.0, 5.0]]]), PRIORS[:1], [(100, 200)], settings_with()
    )[0]
    assert result.boxes.tolist() == [[0, 0, 200, 100]]
