"""Image sizes, pooling, the head and the scores of regions, for all detectors of regions."""

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torchvision.ops import roi_pool

from singleshot.backbones.backbone import Backbone, grids
from singleshot.detectors.common.fully_connected import FullyConnected, small_linear
from singleshot.detectors.common.postprocess import (
    PAPER_POSTPROCESSING,
    PostprocessOptions,
    select_detections,
)
from singleshot.detectors.common.regions import (
    BACKGROUND,
    LabelledRegions,
    Sampling,
    sample_regions,
    select_scored,
    with_truths,
)
from singleshot.detectors.common.resize import resize
from singleshot.detectors.common.single_size import InputOptions, SingleSizeDetector
from singleshot.detectors.rcnn.losses import decode_regions
from singleshot.detectors.rcnn.settings import RegionAspect
from singleshot.structures import Batch, Detections, objects_of

__all__ = [
    "RegionDetector",
    "RegionHead",
    "on_meta_device",
    "pad_to_multiple",
    "pool_regions",
    "sample_batch",
    "score_regions",
    "size_keeping_aspect",
    "strides_of",
]

STRIDED = 512  # pixels: a side that all strides divide


class RegionDetector(SingleSizeDetector):
    """A detector of images stretched to one size, or of any with a shortest side."""

    def __init__(
        self,
        backbone: Backbone,
        class_names: Sequence[str],
        inputs: InputOptions,
        *,
        aspect: RegionAspect = "stretch",
        postprocessing: PostprocessOptions = PAPER_POSTPROCESSING,
    ) -> None:
        """At detection images are stretched to the input, or `keep` their aspect ratio."""
        super().__init__(backbone, class_names, inputs, postprocessing=postprocessing)
        self.aspect: RegionAspect = aspect
        self.strides = strides_of(backbone)

    def pad(self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]) -> Tensor:
        """Normalise images and pad them with zeros to the right and below, to whole cells."""
        return pad_to_multiple(self.normalise(images), max(self.strides))

    def load_classifier(self, weights: Mapping[str, Tensor]) -> list[str]:
        """Copy fc6 and fc7 from the file of the backbone's classifier; here there are none.

        Returns the names of the tensors that were taken.
        """
        del weights
        return []

    def detect_tensors(self, images: Sequence[UInt8[Tensor, "3 _h _w"]]) -> list[Detections]:
        """Detect objects in images of any sizes; boxes are in pixels of their own image."""
        if self.aspect == "stretch":
            return super().detect_tensors(images)
        # One by one: together they would be padded to the largest, which changes detections.
        return [self._detect_keeping_aspect(image) for image in images]

    def _detect_keeping_aspect(self, image: UInt8[Tensor, "3 h w"]) -> Detections:
        """Detect objects in one image, resized without distortion."""
        size = image.shape[1], image.shape[2]
        resized_to = size_keeping_aspect(size, self.input_size)
        resized = resize(image.to(self.pixel_mean.device), resized_to, self.resize)
        (scored,) = self.score_boxes(resized[None])
        return select_detections(scored, resized_to, size, self.postprocess_options)


class RegionHead(nn.Module):
    """fc6 and fc7, then logits with the background first, and offsets for each of these columns.

    Both have small initial weights (Girshick 2015, §4.2: σ of 0.01 and 0.001).
    """

    def __init__(self, width: int, layers: Sequence[int], dropout: float, num_classes: int) -> None:
        """`width` is the number of features of a region."""
        super().__init__()
        self.layers = FullyConnected([width, *layers], dropout)
        last = [width, *layers][-1]
        self.logits = small_linear(last, num_classes + 1, 0.01)
        self.offsets = small_linear(last, 4 * (num_classes + 1), 0.001)

    def forward(
        self, features: Float[Tensor, "n channels rows columns"]
    ) -> tuple[Float[Tensor, "n outputs"], Float[Tensor, "n outputs 4"]]:
        """Compute logits and offsets of each region."""
        last = self.layers(features.flatten(start_dim=1))
        return self.logits(last), self.offsets(last).unflatten(1, (-1, 4))


def pool_regions(
    features: Float[Tensor, "b channels rows columns"],
    regions: Sequence[Float[Tensor, "_ 4"]],
    side: int,
    stride: float,
) -> Float[Tensor, "n channels side side"]:
    """Pool regions to side × side cells (Girshick 2015, §2.1): the maximum of each cell."""
    # Caffe's layers count the last pixel as part of the region.
    inclusive = [of_image - of_image.new_tensor([0, 0, 1, 1]) for of_image in regions]
    cells: Tensor = roi_pool(features, inclusive, side, 1 / stride)
    return cells


def sample_batch(
    regions: Sequence[Float[Tensor, "_ 4"]], batch: Batch, sampling: Sampling
) -> list[LabelledRegions]:
    """Sample regions to train on among those of each image and its annotated boxes."""
    objects = [objects_of(truth, batch.images.device) for truth in batch.truths]
    return [
        sample_regions(with_truths(of_image, shown), shown, sampling)
        for of_image, shown in zip(regions, objects, strict=True)
    ]


def score_regions(
    regions: Sequence[Float[Tensor, "_ 4"]],
    logits: Float[Tensor, "n columns"],
    offsets: Float[Tensor, "n columns 4"],
    size: tuple[int, int],
    score_threshold: float,
) -> list[Detections]:
    """Score each region of an image for each class; boxes are decoded and above the threshold."""
    scores = logits.float().softmax(dim=1)[:, BACKGROUND + 1 :]
    boxes = decode_regions(offsets, torch.cat(list(regions)))[:, BACKGROUND + 1 :]
    numbers = [len(of_image) for of_image in regions]
    return [
        select_scored(*of_image, size, score_threshold)
        for of_image in zip(
            scores.split_with_sizes(numbers), boxes.split_with_sizes(numbers), strict=True
        )
    ]


def size_keeping_aspect(size: tuple[int, int], limits: tuple[int, int]) -> tuple[int, int]:
    """Compute (height, width) with the shortest side of `limits`, or smaller if too long.

    No side is longer than the longest of `limits`. Sides are rounded down
    (torchvision/models/detection/transform.py, `_resize_image_and_masks`).
    """
    height, width = size
    scale = min(min(limits) / min(size), max(limits) / max(size))
    return max(int(height * scale), 1), max(int(width * scale), 1)


def pad_to_multiple(
    images: Float[Tensor, "b 3 h w"], multiple: int
) -> Float[Tensor, "b 3 rows columns"]:
    """Pad with zeros to the right and below, until both sides are multiples."""
    height, width = images.shape[-2:]
    return F.pad(images, (0, -width % multiple, 0, -height % multiple))


def strides_of(backbone: Backbone) -> list[int]:
    """Find the stride of each feature map, a power of two in pixels."""
    image = torch.zeros(1, 3, STRIDED, STRIDED, device="meta")
    features = grids(on_meta_device(backbone), image)
    return [2 ** round(math.log2(STRIDED / rows)) for rows, _ in features]


def on_meta_device(module: nn.Module) -> nn.Module:
    """Copy a module to the meta device, where it computes shapes alone."""
    return deepcopy(module).to("meta")
