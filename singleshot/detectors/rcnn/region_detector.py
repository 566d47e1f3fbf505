"""What detectors share that judge regions of an image."""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torchvision.ops import clip_boxes_to_image

from singleshot.backbones.backbone import Backbone, grids
from singleshot.detectors.common.baseline import Baseline, pixels_of
from singleshot.detectors.common.postprocess import PostprocessOptions, select_detections
from singleshot.detectors.common.resize import resize
from singleshot.detectors.common.settings import ResultSettings
from singleshot.detectors.rcnn.region_losses import decoded
from singleshot.detectors.rcnn.region_sampling import BACKGROUND
from singleshot.detectors.rcnn.settings import RegionSettings
from singleshot.structures import Detections

__all__ = ["RegionDetector", "judged", "kept_aspect", "padded_to", "scored_regions", "traced"]

STRIDED = 512  # pixels: a side that all strides divide
SMALLEST_SIDE = 1e-2  # pixels; torchvision's RoIHeads drops what is smaller


class RegionDetector(Baseline):
    """A detector of images stretched to one size, or of any with a shortest side."""

    settings: RegionSettings

    def __init__(
        self, backbone: Backbone, class_names: Sequence[str], settings: RegionSettings
    ) -> None:
        super().__init__(class_names, pixels_of(settings, backbone.pixel_mean, backbone.pixel_std))
        self.settings = settings
        self.backbone = backbone
        self.strides = strides_of(backbone)

    def padded(self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]) -> Tensor:
        """Normalised images with zeros to the right and below, so that cells fit in."""
        return padded_to(self.normalised(images), max(self.strides))

    def take_classifier(self, weights: Mapping[str, Tensor]) -> None:
        """Fill what else the file of the backbone's classifier has; here nothing."""
        del weights

    @abstractmethod
    def scored(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """As of any baseline, but images may be of any one size."""

    @torch.inference_mode()
    def detect(self, images: Sequence[UInt8[Tensor, "3 _h _w"]]) -> list[Detections]:
        """Findings for each image, boxes in its own pixels; sizes may differ."""
        if self.settings.aspect == "stretch":
            return super().detect(images)
        assert not self.training
        # One by one: together they would be padded to the largest, which changes what is found.
        return [self.detect_keeping_aspect(image) for image in images]

    def detect_keeping_aspect(self, image: UInt8[Tensor, "3 h w"]) -> Detections:
        """Findings for one image."""
        size = image.shape[1], image.shape[2]
        resized_to = kept_aspect(size, self.settings.input)
        resized = resize(image.to(self.pixel_mean.device), resized_to, self.settings.resize)
        (scored,) = self.scored(resized[None])
        options = PostprocessOptions.from_settings(self.settings.results)
        return select_detections(scored, resized_to, size, options)


def kept_aspect(size: tuple[int, int], limits: tuple[int, int]) -> tuple[int, int]:
    """(height, width) such that the shortest side is the least of `limits`, unless …

    … the longest would be more than their greatest. Sides are rounded down
    (torchvision/models/detection/transform.py, `_resize_image_and_masks`).
    """
    height, width = size
    scale = min(min(limits) / min(size), max(limits) / max(size))
    return max(int(height * scale), 1), max(int(width * scale), 1)


def padded_to(images: Float[Tensor, "b 3 h w"], multiple: int) -> Float[Tensor, "b 3 rows columns"]:
    """Zeros to the right and below, until both sides are multiples."""
    height, width = images.shape[-2:]
    return F.pad(images, (0, -width % multiple, 0, -height % multiple))


def strides_of(backbone: Backbone) -> list[int]:
    """Pixels between the places of each feature map, a power of two."""
    image = torch.zeros(1, 3, STRIDED, STRIDED, device="meta")
    return [2 ** round(math.log2(STRIDED / rows)) for rows, _ in grids(traced(backbone), image)]


def traced(module: nn.Module) -> nn.Module:
    """A module that gives shapes alone: nothing is computed."""
    return deepcopy(module).to("meta")


def scored_regions(
    regions: Sequence[Float[Tensor, "_ 4"]],
    logits: Float[Tensor, "n columns"],
    offsets: Float[Tensor, "n columns 4"],
    images: Float[Tensor, "b 3 h w"],
    settings: ResultSettings,
) -> list[Detections]:
    """Every region of an image with every class, where the region says its object is."""
    scores = logits.float().softmax(dim=1)[:, BACKGROUND + 1 :]
    boxes = decoded(offsets, torch.cat(list(regions)))[:, BACKGROUND + 1 :]
    size = images.shape[-2], images.shape[-1]
    numbers = [len(of_image) for of_image in regions]
    return [
        judged(*found, size, settings.score_threshold)
        for found in zip(
            scores.split_with_sizes(numbers), boxes.split_with_sizes(numbers), strict=True
        )
    ]


def judged(
    scores: Float[Tensor, "n classes"],
    boxes: Float[Tensor, "n classes 4"],
    size: tuple[int, int],
    score_threshold: float,
) -> Detections:
    """A box for every region and class with a score above the threshold, clipped to the image."""
    regions, labels = (scores > score_threshold).nonzero(as_tuple=True)
    clipped = clip_boxes_to_image(boxes[regions, labels], size)
    found = Detections(clipped, scores[regions, labels], labels)
    sides = clipped[:, 2:] - clipped[:, :2]
    return found[(sides >= SMALLEST_SIDE).all(dim=1)]
