"""torchvision's detectors with random weights, and ours that were imported from their files."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models.detection import ssd300_vgg16, ssdlite320_mobilenet_v3_large

from singleshot.backbones.vgg import Vgg16
from singleshot.checkpoints.checkpoint import detector_from
from singleshot.importers.class_names import class_columns
from singleshot.importers.torchvision import read_torchvision

BATCH = 5


def lively(network, images):
    """Statistics of batch norms as of trained ones: else all images look the same."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    if norms:
        raw_outputs(network.train(), images)
    return network.eval()


def imported(network, folder):
    torch.save(network.state_dict(), folder / "theirs.pth")
    return detector_from(read_torchvision(folder / "theirs.pth"), source="theirs.pth")


@pytest.fixture(scope="module", params=[ssd300_vgg16, ssdlite320_mobilenet_v3_large])
def pair(request, tmp_path_factory):
    torch.manual_seed(0)
    random = torch.Generator().manual_seed(1)
    theirs = lively(request.param(weights=None, weights_backbone=None), random_images(4, random))
    return imported(theirs, tmp_path_factory.mktemp("weights")), theirs


def random_images(number, random):
    """Of random sizes."""
    sizes = torch.randint(20, 200, (number, 2), generator=random).tolist()
    return [torch.randint(256, (3, *size), generator=random, dtype=torch.uint8) for size in sizes]


@torch.no_grad()
def raw_outputs(theirs, images):
    images, _ = theirs.transform([image / 255 for image in images])
    outputs = theirs.head(list(theirs.backbone(images.tensors).values()))
    return outputs["bbox_regression"], outputs["cls_logits"]


def test_parameters_are_as_many(pair):
    counts = [sum(p.numel() for p in network.parameters()) for network in pair]
    assert counts[0] == counts[1]
    assert counts[0] in {35_641_826, 3_440_060}


def test_priors_agree(pair):
    ours, theirs = pair
    images, _ = theirs.transform([torch.zeros(3, 100, 100)])
    corners = theirs.anchor_generator(images, list(theirs.backbone(images.tensors).values()))[0]
    centres = (corners[:, :2] + corners[:, 2:]) / 2
    unit = torch.cat([centres, corners[:, 2:] - corners[:, :2]], dim=1) / ours.settings.input[0]
    torch.testing.assert_close(ours.priors_cxcywh_unit, unit, atol=1e-6, rtol=0)


def test_logits_and_offsets_agree(pair, random):
    ours, theirs = pair
    images = random_images(1, random)
    their_offsets, their_logits = raw_outputs(theirs, images)
    columns = class_columns(91, Path())
    with torch.no_grad():
        offsets, logits = ours(ours.resize_images(images))
    order = [0, *columns.used, *columns.unused]
    torch.testing.assert_close(offsets, their_offsets, atol=1e-4, rtol=0)
    torch.testing.assert_close(logits, their_logits[..., order], atol=1e-4, rtol=0)


def test_detections_agree(pair, random):
    ours, theirs = pair
    # VGG16 takes seconds for an image.
    number = 1 if isinstance(ours.backbone, Vgg16) else 50
    everything = random_images(number, random)
    for first in range(0, number, BATCH):
        images = everything[first : first + BATCH]
        with torch.no_grad():
            expected = theirs([image / 255 for image in images])
        for found, their_found in zip(ours.detect(images), expected, strict=True):
            assert_same(found, their_found)


def assert_same(found, theirs):
    """Each detection is in the other list, too, with its class, score and place."""
    columns = torch.tensor(class_columns(91, Path()).used)
    # Random weights find things of ids that no class has. Theirs count among the best, ours do not.
    known = torch.isin(theirs["labels"], columns)
    labels, scores, boxes = (theirs[part][known] for part in ("labels", "scores", "boxes"))
    number = min(len(found), len(scores))
    assert number > 0
    torch.testing.assert_close(found.scores[:number], scores[:number], atol=1e-5, rtol=0)
    same = (columns[found.labels][:number, None] == labels) & (
        (found.scores[:number, None] - scores).abs() < 1e-5
    )
    apart = (found.boxes[:number, None] - boxes).abs().amax(dim=2)
    assert (same & (apart < 1e-2)).any(dim=1).all()
