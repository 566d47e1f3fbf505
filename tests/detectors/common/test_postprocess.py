import pytest
import torch

from singleshot.detectors.common.postprocess import (
    PAPER_POSTPROCESSING,
    PostprocessOptions,
    apply_nms,
    best_of_each_label,
    select_detections,
)
from singleshot.detectors.common.settings import ResultSettings
from singleshot.structures import Detections

# Two boxes with an IoU of 0.45 / 0.55, and one apart.
BOXES = torch.tensor([[0.0, 0, 50, 50], [5, 0, 55, 50], [50, 50, 100, 100]])


def scored(scores, labels, boxes=BOXES):
    return Detections(boxes, torch.tensor(scores), torch.tensor(labels))


def test_the_defaults_of_a_recipe_are_the_papers():
    assert PostprocessOptions.from_settings(ResultSettings()) == PAPER_POSTPROCESSING


def test_every_number_of_a_recipe_is_translated():
    numbers = {"score_threshold": 0.2, "iou_threshold": 0.3, "top_k": 7, "keep": 5}
    kind = {"clip_before_nms": True, "nms": "soft", "soft_sigma": 0.7}
    options = PostprocessOptions.from_settings(ResultSettings(**numbers, **kind))
    assert options == PostprocessOptions(**numbers, **kind)


def test_boxes_are_moved_to_the_image_and_clipped():
    wide = scored([0.9], [0], torch.tensor([[-10.0, 20, 90, 120]]))
    found = select_detections(wide, (100, 100), (50, 200), PAPER_POSTPROCESSING)
    assert found.boxes.tolist() == [[0, 10, 180, 50]]


def test_low_scores_and_boxes_that_are_not_finite_are_dropped():
    boxes = BOXES.clone()
    boxes[1, 0] = torch.nan
    found = select_detections(
        scored([0.005, 0.9, 0.5], [0, 1, 1], boxes), (100, 100), (100, 100), PAPER_POSTPROCESSING
    )
    assert found.scores.tolist() == [0.5]


def test_no_more_than_keep_are_kept_best_first():
    found = select_detections(
        scored([0.3, 0.5, 0.4], [0, 1, 0]), (100, 100), (100, 100), PostprocessOptions(keep=2)
    )
    torch.testing.assert_close(found.scores, torch.tensor([0.5, 0.4]))


def test_the_best_of_each_label_are_label_by_label():
    best = best_of_each_label(scored([0.3, 0.5, 0.4], [1, 1, 0]), 1)
    assert best.labels.tolist() == [0, 1]
    torch.testing.assert_close(best.scores, torch.tensor([0.4, 0.5]))


@pytest.mark.parametrize(
    ("kind", "scores"),
    [
        ("hard", [0.9, 0.7]),
        ("distance", [0.9, 0.7]),
        # exp(-(0.45 / 0.55)² / 0.5) = 0.262
        ("soft", [0.9, 0.7, 0.8 * 0.262]),
        ("weighted", [0.9, 0.7]),
    ],
)
def test_nms_of_each_kind(kind, scores):
    candidates = scored([0.9, 0.8, 0.7], [0, 0, 0])
    kept = apply_nms(candidates, torch.ones(3, 4), PostprocessOptions(nms=kind))
    expected = torch.tensor(scores)
    torch.testing.assert_close(kept.scores.sort(descending=True)[0], expected, atol=1e-3, rtol=0)


def test_weighted_nms_averages_boxes_by_score():
    candidates = scored([0.9, 0.1, 0.7], [0, 0, 0])
    kept = apply_nms(candidates, torch.ones(3, 4), PostprocessOptions(nms="weighted"))
    torch.testing.assert_close(kept.boxes[0], torch.tensor([0.5, 0.0, 50.5, 50.0]))
