import math

import pytest
import torch
from small_ssd import make_images, small_recipe, small_ssd

from singleshot.boxes.nms import nms
from singleshot.detectors.common.box_coding import decode
from singleshot.detectors.common.postprocess import PAPER_POSTPROCESSING, PostprocessOptions
from singleshot.detectors.common.settings import ResultSettings
from singleshot.detectors.ssd.postprocess import FRONT, RawOutputs, postprocess, unflip_outputs
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe

PRIORS = torch.tensor([[0.25, 0.25, 0.5, 0.5], [0.3, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5]])
IOU = 0.45 / 0.55  # of the first two


def found(logits, size=(100, 200), **options):
    logits = torch.tensor(logits)[None]
    offsets, options = torch.zeros(1, 3, 4), PostprocessOptions(**options)
    return postprocess(offsets, logits, PRIORS, [size], options=options)[0]


def test_the_defaults_of_a_recipe_are_the_papers():
    assert PostprocessOptions.from_settings(ResultSettings()) == PAPER_POSTPROCESSING


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


def test_no_more_than_keep_are_kept():
    assert len(found([[0.0, 4.0], [4.0, 0.0], [0.0, 3.0]], keep=1)) == 1


def test_boxes_are_clipped_to_the_image():
    wide = torch.tensor([[[0.0, 0.0, 20.0, 20.0]]])
    result = postprocess(wide, torch.tensor([[[0.0, 5.0]]]), PRIORS[:1], [(100, 200)])[0]
    assert result.boxes.tolist() == [[0, 0, 200, 100]]


def test_a_sigmoid_has_no_background_column():
    logits = torch.tensor([[[3.0], [-9.0], [-9.0]]])
    [result] = postprocess(torch.zeros(1, 3, 4), logits, PRIORS, [(100, 200)], scores="sigmoid")
    assert result.labels.tolist() == [0]
    torch.testing.assert_close(result.scores, torch.tensor([3.0]).sigmoid())


def test_images_of_a_batch_keep_their_own_sizes_and_boxes():
    logits = torch.tensor([[[0.0, 5.0], [9.0, 0.0], [9.0, 0.0]], [[9.0, 0.0]] * 3])
    first, second = postprocess(torch.zeros(2, 3, 4), logits, PRIORS, [(100, 200), (10, 10)])
    assert first.boxes.tolist() == [[0, 0, 100, 50]]
    assert len(second) == 0


def test_equal_scores_are_ordered_by_label_then_by_prior():
    result = found([[0.0, 0.0, 9.0], [0.0, 9.0, 0.0], [0.0, 9.0, 0.0]])
    assert result.labels.tolist() == [0, 0, 1]
    assert result.boxes[:, 0].round().tolist() == [10, 100, 0]


def test_behind_a_crowd_of_one_object_weaker_boxes_are_detected():
    # All priors that are tried first are at one place; the last is needed for a second box.
    number = 2 * FRONT
    priors = torch.cat([PRIORS[:1]] * number + [PRIORS[2:]])
    logits = torch.tensor([[[0.0, 5.0]] * number + [[0.0, 2.0]]])
    [result] = postprocess(
        torch.zeros(1, number + 1, 4),
        logits,
        priors,
        [(100, 200)],
        options=PostprocessOptions(keep=2),
    )
    assert result.boxes.tolist() == [[0, 0, 100, 50], [100, 50, 200, 100]]


def test_an_overlap_of_exactly_the_threshold_stays():
    # Three tenths have no exact float, and the nearest of 32 bits is above the nearest of 64.
    boxes = torch.tensor([[0.0, 0, 10, 1], [0, 0, 3, 1]])
    scores, labels = torch.tensor([0.9, 0.8]), torch.tensor([0, 0])
    assert nms(boxes, scores, labels, 0.3).tolist() == [0, 1]
    assert nms(boxes, scores, labels, 0.299).tolist() == [0]


def test_boxes_that_are_no_numbers_are_no_postprocess():
    offsets = torch.zeros(1, 3, 4)
    offsets[0, 0, 2] = torch.nan
    logits = torch.tensor([[[0.0, 4.0], [9.0, 0.0], [0.0, 3.0]]])
    [found] = postprocess(offsets, logits, PRIORS, [(100, 200)])
    assert found.boxes.tolist() == [[100, 50, 200, 100]]


def test_nan_at_some_priors_costs_the_others_nothing():
    number, broken = 200, 50
    centres = (torch.arange(number) + 0.5) / number
    priors = torch.stack([centres, centres, *[torch.full_like(centres, 1 / number)] * 2], dim=1)
    logits = torch.zeros(1, number, 2)
    logits[0, :, 1] = torch.linspace(3, 1, number)
    logits[0, :broken, 1] = math.nan
    options = PostprocessOptions(keep=10, top_k=5, nms="weighted")
    offsets = torch.zeros(1, number, 4)
    [result] = postprocess(offsets, logits, priors, [(100, 200)], options=options)
    expected = logits[0, broken : broken + 5, 1].sigmoid()
    torch.testing.assert_close(result.scores, expected)


def test_distances_are_those_of_the_image_and_not_of_the_square():
    logits = [[0.0, 4.0], [0.0, 5.0], [9.0, 0.0]]
    # The centres are 0.05 apart in a hull of 0.55 by 0.5: in a very wide image 1 / 11.
    square, wide = (0.05**2 / (0.55**2 + 0.5**2), (1 / 11) ** 2)
    threshold = IOU - (square + wide) / 2
    kinds = {"nms": "distance", "iou_threshold": threshold}
    assert len(found(logits, (100, 100), **kinds)) == 1
    assert len(found(logits, (1, 1000), **kinds)) == 2


def test_soft_nms_lowers_scores_instead():
    result = found([[0.0, 4.0], [0.0, 5.0], [9.0, 0.0]], nms="soft", soft_sigma=0.5)
    expected = torch.tensor([5.0, 4.0]).sigmoid() * torch.tensor([1, math.exp(-(IOU**2) / 0.5)])
    torch.testing.assert_close(result.scores, expected)


def test_scores_that_soft_nms_lowers_below_the_threshold_are_dropped():
    logits = [[0.0, 4.0], [0.0, 5.0], [9.0, 0.0]]
    assert len(found(logits, nms="soft", score_threshold=0.5)) == 1


def test_weighted_nms_moves_the_box():
    result = found([[0.0, 5.0], [0.0, 5.0], [9.0, 0.0]], nms="weighted")
    torch.testing.assert_close(result.boxes, torch.tensor([[5.0, 0, 105, 50]]))


def test_boxes_of_a_flipped_image_are_flipped_back(random):
    offsets, priors = torch.randn(1, 3, 4, generator=random), PRIORS
    back = unflip_outputs(RawOutputs(offsets, torch.zeros(1, 3, 2), priors))
    x1, y1, x2, y2 = decode(offsets, priors, (0.1, 0.2)).unbind(-1)
    torch.testing.assert_close(
        decode(back.offsets, back.priors_cxcywh_unit, (0.1, 0.2)),
        torch.stack([1 - x2, y1, 1 - x1, y2], dim=-1),
    )


def test_flip_tta_detects_the_same_in_a_flipped_image(random):
    torch.manual_seed(0)
    changes = {"model.input": [96, 128], "model.results.flip_tta": True}
    recipe = load_recipe("ssdlite320-lite0", changes)
    detector = build_detector(recipe.model, ["one"], pretrained=False)
    image = torch.randint(256, (3, 96, 128), generator=random, dtype=torch.uint8)
    one, other = detector.detect([image, image.flip(-1)])
    assert len(one) > 0
    torch.testing.assert_close(one.scores, other.scores)
    x1, y1, x2, y2 = other.boxes.unbind(1)
    flipped = torch.stack([128 - x2, y1, 128 - x1, y2], dim=1)
    # Nearly equal scores may change places.
    mixed = torch.tensor([1.0, 1.7, 2.3, 3.1])
    one_sorted, flipped_sorted = (b[(b @ mixed).argsort()] for b in (one.boxes, flipped))
    torch.testing.assert_close(one_sorted, flipped_sorted, atol=1e-2, rtol=0)


@pytest.mark.parametrize("kind", ["hard", "distance", "soft", "weighted"])
def test_a_detection_has_the_number_of_its_prior(kind):
    # Without offsets a box is its prior; the first two are averaged by the weighted kind.
    result = found([[0.0, 4.0], [0.0, 5.0], [0.0, 3.0]], nms=kind)
    assert result.priors.tolist()[0] == 1
    assert 2 in result.priors.tolist()
    alone = result[result.priors == 2]
    assert alone.boxes.tolist() == [[100, 50, 200, 100]]
    assert result.to(torch.device("cpu")).priors.tolist() == result.priors.tolist()


def test_priors_of_flipped_images_have_the_numbers_of_the_others():
    detector = small_ssd(small_recipe(results__flip_tta=True))
    (result,) = detector.detect(make_images(1))
    assert len(result) > 0
    assert 0 <= int(result.priors.min()) <= int(result.priors.max()) < detector.num_boxes
