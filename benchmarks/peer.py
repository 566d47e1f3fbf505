"""torchvision's SSD300 beside ours, with the same priors."""

import torch
from torch import Tensor
from torchvision.models.detection import ssd300_vgg16
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.ssd import SSD

from singleshot.boxes.geometry import to_centres, to_unit
from singleshot.detectors.ssd.network import Ssd
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe

__all__ = ["NUM_CLASSES", "SIZE", "pair"]

NUM_CLASSES = 20
SIZE = (300, 300)
GRIDS = (38, 19, 10, 5, 3, 1)


def pair() -> tuple[Ssd, SSD, Tensor]:
    """Build ours and theirs for 20 classes, and the priors of both as corners in pixels."""
    theirs = ssd300_vgg16(weights=None, weights_backbone=None, num_classes=1 + NUM_CLASSES)
    features = [torch.zeros(1, 1, grid, grid) for grid in GRIDS]
    [priors] = theirs.anchor_generator(ImageList(torch.zeros(1, 3, *SIZE), [SIZE]), features)
    recipe = load_recipe("ssd300-vgg16", {"model.results.clip_before_nms": True})
    names = [str(number) for number in range(NUM_CLASSES)]
    ours = build_detector(recipe.model, names, pretrained=False)
    ours.priors_cxcywh_unit.copy_(to_centres(to_unit(priors, SIZE)))
    return ours, theirs, priors
