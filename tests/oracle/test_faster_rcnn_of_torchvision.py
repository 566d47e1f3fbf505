"""torchvision's Faster R-CNN with random weights, and ours that was imported from its file."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.models import resnet50
from torchvision.models.detection import FasterRCNN, fasterrcnn_resnet50_fpn
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.ops import FrozenBatchNorm2d

from singleshot.checkpoints.checkpoint import detector_from
from singleshot.importers.class_names import class_columns
from singleshot.importers.torchvision import read_torchvision

# Smaller than 800 and 1333, to be quick.
SHORTEST, LONGEST = 128, 200
SIZES = {"min_size": SHORTEST, "max_size": LONGEST}


def learned(num_classes):
    """As `fasterrcnn_resnet50_fpn` starts without any weights: batch norm learns."""
    return fasterrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=num_classes, **SIZES
    )


def frozen(num_classes):
    """As the published weights are used: batch norm is frozen, without an epsilon."""
    body = resnet50(norm_layer=lambda width: FrozenBatchNorm2d(width, eps=0.0))
    return FasterRCNN(_resnet_fpn_extractor(body, 3), num_classes, **SIZES)


@torch.no_grad()
def lively(network, images):
    """Weights as different as after a training: else no box is better than another."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | FrozenBatchNorm2d):
            for tensor, least in ((module.weight, 0.5), (module.running_var, 0.5)):
                nn.init.uniform_(tensor, least, least + 1)
            for tensor in (module.bias, module.running_mean):
                nn.init.normal_(tensor, std=0.1)
    box_head = network.roi_heads.box_predictor
    spreads = {
        network.rpn.head.cls_logits: 2.0,
        network.rpn.head.bbox_pred: 0.2,
        box_head.cls_score: 2.0,
        box_head.bbox_pred: 0.5,
    }
    hooks = [
        module.register_forward_hook(spread_outputs(spreads.get(module)))
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    network([image / 255 for image in images])
    for hook in hooks:
        hook.remove()
    return network


def spread_outputs(spread):
    """Scales the weights of a layer when it is used first, so that its outputs have this σ."""
    done = []

    def hook(module, _, output):
        if done:
            return output
        done.append(module)
        factor = (spread or 1.0) / output.std()
        module.weight.mul_(factor)
        return output * factor

    return hook


@pytest.fixture(scope="module")
def images(shared):
    """Wide, high, and so long that the shortest side is less than the minimum."""
    folder = shared / "data/voc2012_100/VOC2012/JPEGImages"
    wide, other = (pixels(folder / f"{name}.jpg") for name in ("2007_000032", "2007_000027"))
    assert wide.shape[1] < wide.shape[2]
    return [wide, other[:, :, :300], wide[:, 100:250]]


def pixels(path):
    with Image.open(path) as image:
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)


@pytest.fixture(scope="module", params=[(learned, 6), (frozen, 91)], ids=["learned", "frozen"])
def pair(request, images, tmp_path_factory):
    """(ours, theirs)"""
    make, num_classes = request.param
    torch.manual_seed(0)
    theirs = lively(make(num_classes).eval(), images[:1])
    path = tmp_path_factory.mktemp("weights") / "theirs.pth"
    torch.save(theirs.state_dict(), path)
    checkpoint = read_torchvision(path)
    settings = checkpoint.recipe.model.model_copy(update={"input": (SHORTEST, LONGEST)})
    recipe = checkpoint.recipe.model_copy(update={"model": settings})
    return detector_from(replace(checkpoint, recipe=recipe), "theirs.pth"), theirs


@torch.no_grad()
def test_detections_of_real_images_are_the_same(pair, images):
    ours, theirs = pair
    for image, found in zip(images, ours.detect(images), strict=True):
        (expected,) = theirs([image / 255])
        labels = our_labels(expected["labels"], theirs)
        known = labels >= 0
        number = int(known.sum())
        assert 20 < number <= len(found) <= 100
        assert torch.equal(found.labels[:number], labels[known])
        torch.testing.assert_close(
            found.scores[:number], expected["scores"][known], atol=2e-5, rtol=0
        )
        torch.testing.assert_close(
            found.boxes[:number], expected["boxes"][known], atol=2e-3, rtol=0
        )


def our_labels(labels, theirs):
    """Columns of 91 are COCO's ids: ours have no gaps, and what is found in a gap is left out."""
    num_columns = theirs.roi_heads.box_predictor.cls_score.out_features
    names = torch.full((num_columns,), -1)
    used = torch.tensor(class_columns(num_columns, Path("theirs.pth")).used)
    names[used] = torch.arange(len(used))
    return names[labels]


def test_91_columns_are_80_classes(pair):
    ours, theirs = pair
    num_columns = theirs.roi_heads.box_predictor.cls_score.out_features
    assert len(ours.class_names) == {6: 5, 91: 80}[num_columns]


def test_the_published_weights_old_names_are_known(pair, tmp_path):
    _, theirs = pair
    old = {
        re.sub(r"(blocks\.\d|conv)(\.0)+\.(weight|bias)", r"\1.\3", name): tensor
        for name, tensor in theirs.state_dict().items()
    }
    assert {"backbone.fpn.inner_blocks.0.weight", "rpn.head.conv.weight"} <= old.keys()
    torch.save(old, tmp_path / "old.pth")
    torch.save(theirs.state_dict(), tmp_path / "new.pth")
    ours, same = (read_torchvision(tmp_path / name).weights for name in ("old.pth", "new.pth"))
    assert ours.keys() == same.keys()
    assert all(torch.equal(ours[name], same[name]) for name in ours)
