import torch

from singleshot.boxes.nms import nms
from singleshot.detectors.ssd.results import FRONT, detections
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


def test_boxes_are_clipped_to_the_image():
    wide = torch.tensor([[[0.0, 0.0, 20.0, 20.0]]])
    result = detections(
        wide, torch.tensor([[[0.0, 5.0]]]), PRIORS[:1], [(100, 200)], settings_with()
    )[0]
    assert result.boxes.tolist() == [[0, 0, 200, 100]]


def test_a_sigmoid_has_no_background_column():
    model = settings_with()
    heads = model.heads.model_copy(update={"scores": "sigmoid"})
    logits = torch.tensor([[[3.0], [-9.0], [-9.0]]])
    model = model.model_copy(update={"heads": heads})
    [result] = detections(torch.zeros(1, 3, 4), logits, PRIORS, [(100, 200)], model)
    assert result.labels.tolist() == [0]
    torch.testing.assert_close(result.scores, torch.tensor([3.0]).sigmoid())


def test_images_of_a_batch_keep_their_own_sizes_and_boxes():
    logits = torch.tensor([[[0.0, 5.0], [9.0, 0.0], [9.0, 0.0]], [[9.0, 0.0]] * 3])
    first, second = detections(
        torch.zeros(2, 3, 4), logits, PRIORS, [(100, 200), (10, 10)], settings_with()
    )
    assert first.boxes.tolist() == [[0, 0, 100, 50]]
    assert len(second) == 0


def test_equal_scores_are_ordered_by_label_then_by_prior():
    result = found([[0.0, 0.0, 9.0], [0.0, 9.0, 0.0], [0.0, 9.0, 0.0]])
    assert result.labels.tolist() == [0, 0, 1]
    assert result.boxes[:, 0].round().tolist() == [10, 100, 0]


def test_a_crowd_that_suppresses_itself_leaves_room_for_weaker_boxes():
    # All priors that are looked at first see one place; the last is needed for a second box.
    number = 2 * FRONT
    priors = torch.cat([PRIORS[:1]] * number + [PRIORS[2:]])
    logits = torch.tensor([[[0.0, 5.0]] * number + [[0.0, 2.0]]])
    [result] = detections(
        torch.zeros(1, number + 1, 4), logits, priors, [(100, 200)], settings_with(keep=2)
    )
    assert result.boxes.tolist() == [[0, 0, 100, 50], [100, 50, 200, 100]]


def test_an_overlap_of_exactly_the_threshold_stays():
    # Three tenths have no exact float, and the nearest of 32 bits is above the nearest of 64.
    boxes = torch.tensor([[0.0, 0, 10, 1], [0, 0, 3, 1]])
    scores, labels = torch.tensor([0.9, 0.8]), torch.tensor([0, 0])
    assert nms(boxes, scores, labels, 0.3).tolist() == [0, 1]
    assert nms(boxes, scores, labels, 0.299).tolist() == [0]


def test_boxes_that_are_no_numbers_are_no_detections():
    offsets = torch.zeros(1, 3, 4)
    offsets[0, 0, 2] = torch.nan
    logits = torch.tensor([[[0.0, 4.0], [9.0, 0.0], [0.0, 3.0]]])
    [found] = detections(offsets, logits, PRIORS, [(100, 200)], settings_with())
    assert found.boxes.tolist() == [[100, 50, 200, 100]]
