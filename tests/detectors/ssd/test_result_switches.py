"""Suppression of other kinds than the paper's, and looking twice."""

import math

import torch

from singleshot.detectors.common.box_coding import decode
from singleshot.detectors.ssd.mirror import Said, mirrored
from singleshot.detectors.ssd.results import detections
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe

PRIORS = torch.tensor([[0.25, 0.25, 0.5, 0.5], [0.3, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5]])
IOU = 0.45 / 0.55  # of the first two


def found(logits, size=(100, 200), **settings):
    changes = {f"model.results.{key}": value for key, value in settings.items()}
    model = load_recipe("ssd300-vgg16", changes).model
    return detections(torch.zeros(1, 3, 4), torch.tensor(logits)[None], PRIORS, [size], model)[0]


def test_distances_are_those_of_the_image_and_not_of_the_square():
    logits = [[0.0, 4.0], [0.0, 5.0], [9.0, 0.0]]
    # The centres are 0.05 apart in a hull of 0.55 by 0.5: in a very wide image 1 / 11.
    square, wide = (0.05**2 / (0.55**2 + 0.5**2), (1 / 11) ** 2)
    threshold = IOU - (square + wide) / 2
    kinds = {"suppression": "distance", "iou_threshold": threshold}
    assert len(found(logits, (100, 100), **kinds)) == 1
    assert len(found(logits, (1, 1000), **kinds)) == 2


def test_soft_suppression_lowers_scores_instead():
    result = found([[0.0, 4.0], [0.0, 5.0], [9.0, 0.0]], suppression="soft", soft_sigma=0.5)
    expected = torch.tensor([5.0, 4.0]).sigmoid() * torch.tensor([1, math.exp(-(IOU**2) / 0.5)])
    torch.testing.assert_close(result.scores, expected)


def test_softly_suppressed_scores_below_the_threshold_are_dropped():
    logits = [[0.0, 4.0], [0.0, 5.0], [9.0, 0.0]]
    assert len(found(logits, suppression="soft", score_threshold=0.5)) == 1


def test_weighted_suppression_moves_the_box():
    result = found([[0.0, 5.0], [0.0, 5.0], [9.0, 0.0]], suppression="weighted")
    torch.testing.assert_close(result.boxes, torch.tensor([[5.0, 0, 105, 50]]))


def test_boxes_said_of_a_mirrored_image_are_mirrored_back(random):
    offsets, priors = torch.randn(1, 3, 4, generator=random), PRIORS
    back = mirrored(Said(offsets, torch.zeros(1, 3, 2), priors))
    x1, y1, x2, y2 = decode(offsets, priors, (0.1, 0.2)).unbind(-1)
    torch.testing.assert_close(
        decode(back.offsets, back.priors_cxcywh_unit, (0.1, 0.2)),
        torch.stack([1 - x2, y1, 1 - x1, y2], dim=-1),
    )


def test_looking_twice_finds_the_same_in_a_mirrored_image(random):
    torch.manual_seed(0)
    changes = {"model.input": [96, 128], "model.results.flip_tta": True}
    recipe = load_recipe("ssdlite320-lite0", changes)
    detector = build_detector(recipe.model, ["one"], pretrained=False)
    image = torch.randint(256, (3, 96, 128), generator=random, dtype=torch.uint8)
    one, other = detector.detect([image, image.flip(-1)])
    assert len(one) > 0
    torch.testing.assert_close(one.scores, other.scores)
    x1, y1, x2, y2 = other.boxes.unbind(1)
    mirror = torch.stack([128 - x2, y1, 128 - x1, y2], dim=1)
    # Nearly equal scores may change places.
    mixed = torch.tensor([1.0, 1.7, 2.3, 3.1])
    one_sorted, mirror_sorted = (b[(b @ mixed).argsort()] for b in (one.boxes, mirror))
    torch.testing.assert_close(one_sorted, mirror_sorted, atol=1e-2, rtol=0)
