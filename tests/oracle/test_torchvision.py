"""Our SSD300 against torchvision's, with its random weights carried over."""

import pytest
import torch
from torchvision.models.detection import ssd300_vgg16

from singleshot.build import build_detector
from singleshot.recipes.load import load_recipe

CLASSES = [f"class {number}" for number in range(90)]
COCO_SIZES = [0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05]


def our_names(theirs):
    """torchvision's tensors under our names."""
    renamed = {}
    for name, tensor in theirs.items():
        match name.split("."):
            case ["backbone", "scale_weight"]:
                renamed["backbone.rescale.scale"] = tensor
            case ["backbone", "features", layer, kind]:
                renamed[f"backbone.features.{layer}.{kind}"] = tensor
            # What follows conv4_3 starts a new sequence there, and ends with fc6 and fc7.
            case ["backbone", "extra", "0", layer, kind]:
                renamed[f"backbone.features.{int(layer) + 23}.{kind}"] = tensor
            case ["backbone", "extra", "0", "7", layer, kind]:
                renamed[f"backbone.fc.{layer}.{kind}"] = tensor
            case ["backbone", "extra", level, layer, kind]:
                renamed[f"pyramid.extra.{int(level) - 1}.{layer}.{kind}"] = tensor
            case ["head", "classification_head", _, level, kind]:
                renamed[f"heads.logits.{level}.{kind}"] = tensor
            case ["head", "regression_head", _, level, kind]:
                renamed[f"heads.offsets.{level}.{kind}"] = tensor
            case _:
                raise AssertionError(name)
    return renamed


@pytest.fixture(scope="module")
def pair():
    torch.manual_seed(0)
    theirs = ssd300_vgg16(weights=None, weights_backbone=None).eval()
    recipe = load_recipe(
        "ssd300-vgg16",
        {
            "model.priors.sizes_unit": COCO_SIZES,
            "model.priors.whole_pixels": False,
            "model.priors.clip": "centre",
            "model.resize": "torchvision",
            "model.results.clip_before_suppression": True,
        },
    )
    ours = build_detector(recipe.model, CLASSES, pretrained=False).eval()
    ours.load_state_dict(our_names(theirs.state_dict()))
    # Its means are Caffe's 123, 117 and 104, rounded to fractions with five digits.
    ours.pixel_mean.copy_(255 * torch.tensor(theirs.transform.image_mean)[:, None, None])
    return ours, theirs


@torch.no_grad()
def raw_outputs(theirs, images):
    images, _ = theirs.transform([image / 255 for image in images])
    features = list(theirs.backbone(images.tensors).values())
    outputs = theirs.head(features)
    return outputs["bbox_regression"], outputs["cls_logits"]


SIZES = [(300, 300), (240, 320), (512, 400), (97, 301)]


def test_parameters_are_as_many(pair):
    ours, theirs = pair
    assert sum(p.numel() for p in ours.parameters()) == 35_641_826
    assert sum(p.numel() for p in theirs.parameters()) == 35_641_826


def test_logits_and_offsets_agree(pair, random):
    ours, theirs = pair
    images = [torch.randint(256, (3, *s), generator=random, dtype=torch.uint8) for s in SIZES]
    their_offsets, their_logits = raw_outputs(theirs, images)
    with torch.no_grad():
        offsets, logits = ours(ours.resized(images))
    torch.testing.assert_close(offsets, their_offsets, atol=1e-4, rtol=0)
    torch.testing.assert_close(logits, their_logits, atol=1e-4, rtol=0)


def test_detections_agree(pair, random):
    ours, theirs = pair
    images = [torch.randint(256, (3, *s), generator=random, dtype=torch.uint8) for s in SIZES]
    with torch.no_grad():
        expected = theirs([image / 255 for image in images])
    for found, theirs_found in zip(ours.detect(images), expected, strict=True):
        assert len(found) == len(theirs_found["scores"]) > 0
        torch.testing.assert_close(found.scores, theirs_found["scores"], atol=1e-5, rtol=0)
        # Nearly equal scores may change places.
        assert sorted(found.labels.tolist()) == sorted((theirs_found["labels"] - 1).tolist())
        torch.testing.assert_close(
            found.boxes[found.boxes.sum(1).argsort()],
            theirs_found["boxes"][theirs_found["boxes"].sum(1).argsort()],
            atol=1e-2,
            rtol=0,
        )
