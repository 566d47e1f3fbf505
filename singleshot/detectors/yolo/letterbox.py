"""Letterboxing of images and selection of boxes, for all versions of YOLO."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from singleshot.backbones.backbone import Backbone, grids
from singleshot.detectors.common.postprocess import (
    PAPER_POSTPROCESSING,
    PostprocessOptions,
    select_detections,
)
from singleshot.detectors.common.resize import resize
from singleshot.detectors.common.single_size import InputOptions, SingleSizeDetector
from singleshot.detectors.yolo.settings import YoloAspect
from singleshot.structures import Detections

__all__ = ["YoloDetector", "feature_grids", "letterbox_size", "select_likely"]

GREY = 127.5


class YoloDetector(SingleSizeDetector):
    """A detector of images that are stretched to the input, or letterboxed with grey bars."""

    def __init__(
        self,
        backbone: Backbone,
        class_names: Sequence[str],
        inputs: InputOptions,
        *,
        aspect: YoloAspect = "stretch",
        postprocessing: PostprocessOptions = PAPER_POSTPROCESSING,
    ) -> None:
        super().__init__(backbone, class_names, inputs, postprocessing=postprocessing)
        self.aspect: YoloAspect = aspect

    def detect_tensors(self, images: Sequence[UInt8[Tensor, "3 _h _w"]]) -> list[Detections]:
        """Detect objects in images of any sizes; boxes are in pixels of their own image."""
        if self.aspect == "stretch":
            return super().detect_tensors(images)
        device, (height, width) = self.pixel_mean.device, self.input_size
        sizes = [(image.shape[1], image.shape[2]) for image in images]
        insides = [letterbox_size(size, self.input_size) for size in sizes]
        canvas = torch.full((len(images), 3, height, width), GREY, device=device)
        for page, image, (rows, columns) in zip(canvas, images, insides, strict=True):
            top, left = (height - rows) // 2, (width - columns) // 2
            page[:, top : top + rows, left : left + columns] = resize(
                image.to(device), (rows, columns), self.resize
            )
        detections, options = [], self.postprocess_options
        for scored, size, inside in zip(self.score_boxes(canvas), sizes, insides, strict=True):
            # Half a pixel, too, where the border is odd: `correct_yolo_boxes` (yolo_layer.c).
            across, down = (width - inside[1]) / 2, (height - inside[0]) / 2
            boxes = scored.boxes - scored.boxes.new_tensor([across, down] * 2)
            moved = Detections(boxes, scored.scores, scored.labels)
            detections.append(select_detections(moved, inside, size, options))
        return detections


def letterbox_size(size: tuple[int, int], limits: tuple[int, int]) -> tuple[int, int]:
    """Compute the greatest (height, width) within `limits` of the aspect ratio of `size`.

    Rounded down as `letterbox_image` does (src/image.c), but to 1 at least.
    """
    (height, width), (rows, columns) = size, limits
    if columns / width < rows / height:
        return max(height * columns // width, 1), columns
    return rows, max(width * rows // height, 1)


def select_likely(
    boxes: Float[Tensor, "n 4"], scores: Float[Tensor, "n classes"], score_threshold: float
) -> Detections:
    """Select boxes and classes with scores above the threshold."""
    indices, labels = (scores > score_threshold).nonzero(as_tuple=True)
    return Detections(boxes[indices], scores[indices, labels], labels)


def feature_grids(backbone: Backbone, size: tuple[int, int]) -> list[tuple[int, int]]:
    """Find (rows, columns) of each feature map of an input of this (height, width)."""
    return grids(backbone, torch.zeros(1, 3, *size))
