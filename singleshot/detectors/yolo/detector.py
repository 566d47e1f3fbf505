"""What all versions of YOLO share: how images come in, and what comes out."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from singleshot.backbones.backbone import Backbone, grids
from singleshot.detectors.common.baseline import Baseline, pixels_of
from singleshot.detectors.common.postprocess import PostprocessOptions, select_detections
from singleshot.detectors.common.resize import resize
from singleshot.detectors.yolo.settings import YoloSettings
from singleshot.structures import Detections

__all__ = ["YoloDetector", "feature_grids", "letterboxed", "likely"]

GREY = 127.5


class YoloDetector(Baseline):
    """A detector of images that are stretched to the input, or put into it with grey around."""

    settings: YoloSettings

    def __init__(
        self, backbone: Backbone, class_names: Sequence[str], settings: YoloSettings
    ) -> None:
        super().__init__(class_names, pixels_of(settings, backbone.pixel_mean, backbone.pixel_std))
        self.settings = settings
        self.backbone = backbone

    @abstractmethod
    def scored(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """As of any baseline."""

    @torch.inference_mode()
    def detect(self, images: Sequence[UInt8[Tensor, "3 _h _w"]]) -> list[Detections]:
        """Findings for each image, boxes in its own pixels; sizes may differ."""
        if self.settings.aspect == "stretch" or not images:
            return super().detect(images)
        assert not self.training
        settings, device = self.settings, self.pixel_mean.device
        height, width = settings.input
        sizes = [(image.shape[1], image.shape[2]) for image in images]
        insides = [letterboxed(size, settings.input) for size in sizes]
        canvas = torch.full((len(images), 3, height, width), GREY, device=device)
        for page, image, (rows, columns) in zip(canvas, images, insides, strict=True):
            top, left = (height - rows) // 2, (width - columns) // 2
            page[:, top : top + rows, left : left + columns] = resize(
                image.to(device), (rows, columns), settings.resize
            )
        found, options = [], PostprocessOptions.from_settings(settings.results)
        for scored, size, inside in zip(self.scored(canvas), sizes, insides, strict=True):
            # Half a pixel, too, where the border is odd: `correct_yolo_boxes` (yolo_layer.c).
            across, down = (width - inside[1]) / 2, (height - inside[0]) / 2
            boxes = scored.boxes - scored.boxes.new_tensor([across, down] * 2)
            moved = Detections(boxes, scored.scores, scored.labels)
            found.append(select_detections(moved, inside, size, options))
        return found


def letterboxed(size: tuple[int, int], limits: tuple[int, int]) -> tuple[int, int]:
    """The greatest (height, width) within `limits` of the shape of `size`.

    Rounded down as `letterbox_image` does (src/image.c), but for a side that would vanish.
    """
    (height, width), (rows, columns) = size, limits
    if columns / width < rows / height:
        return max(height * columns // width, 1), columns
    return rows, max(width * rows // height, 1)


def likely(
    boxes: Float[Tensor, "n 4"], scores: Float[Tensor, "n classes"], score_threshold: float
) -> Detections:
    """A box for every class with a score above the threshold."""
    found, labels = (scores > score_threshold).nonzero(as_tuple=True)
    return Detections(boxes[found], scores[found, labels], labels)


def feature_grids(backbone: Backbone, size: tuple[int, int]) -> list[tuple[int, int]]:
    """(rows, columns) of each feature map of an input of this (height, width)."""
    return grids(backbone, torch.zeros(1, 3, *size))
