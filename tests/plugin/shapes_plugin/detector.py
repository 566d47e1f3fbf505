"""A family of detectors: each cell of the last feature map has classes and a box."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import singleshot


class CentresSettings(singleshot.DetectorSettings):
    """The table `model`."""

    kind: Literal["centres"]
    box_weight: float = 0.1


class Centres(singleshot.SingleSizeDetector):
    """A cell detects the objects whose centre lies in it."""

    settings: CentresSettings

    def __init__(
        self,
        backbone: singleshot.Backbone,
        class_names: Sequence[str],
        inputs: singleshot.InputOptions,
        *,
        box_weight: float,
        postprocessing: singleshot.PostprocessOptions,
    ) -> None:
        super().__init__(backbone, class_names, inputs, postprocessing=postprocessing)
        self.box_weight = box_weight
        self.head = nn.Conv2d(backbone.channels[-1], len(class_names) + 4, 1)

    @property
    def num_boxes(self) -> int:
        rows, columns = self.grid(self.input_size)
        return rows * columns

    def grid(self, size: tuple[int, int]) -> tuple[int, int]:
        return size[0] // 16, size[1] // 16

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        return {"backbone": self.backbone, "heads": self.head}

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (b, cells, classes) and boxes (b, cells, 4) in pixels of the input."""
        outputs = self.head(self.backbone(self.normalise(images))[-1])
        rows, columns = outputs.shape[-2:]
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        centres = (torch.stack([x, y, x, y], dim=-1).flatten(0, 1) + 0.5).to(outputs) * 16
        logits, sides = outputs.flatten(2).transpose(1, 2).split([len(self.class_names), 4], 2)
        half = 16 * F.softplus(sides) * sides.new_tensor([-1, -1, 1, 1])
        return logits, centres + half

    def losses(
        self, batch: singleshot.Batch, prepared: singleshot.Prepared | None = None
    ) -> singleshot.Losses:
        """Cross-entropy of each class at each cell; distance of corners where an object is."""
        del prepared
        logits, boxes = self(batch.images)
        targets = torch.zeros_like(logits)
        distance = boxes.sum() * 0
        number = 0
        _, columns = self.grid(self.input_size)
        for index, truth in enumerate(batch.truths):
            x, y = ((truth.boxes[:, :2] + truth.boxes[:, 2:]) / 32).long().unbind(dim=1)
            cells = y * columns + x
            targets[index, cells, truth.labels] = 1
            corners = truth.boxes.to(boxes)
            distance = distance + F.smooth_l1_loss(boxes[index, cells], corners, reduction="sum")
            number += len(truth)
        entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="sum")
        sums = {"localization": self.box_weight * distance, "classification": entropy}
        return singleshot.Losses.of(sums, weight=len(batch), num_matches=number)

    def score_boxes(self, images: Tensor) -> list[singleshot.Detections]:
        """Score all boxes of each image for every class, before NMS."""
        detections = []
        for logits, boxes in zip(*self(images), strict=True):
            cells, labels = torch.ones_like(logits).nonzero(as_tuple=True)
            scores = logits.sigmoid()[cells, labels]
            detections.append(singleshot.Detections(boxes[cells], scores, labels))
        return detections


def build(settings: CentresSettings, class_names: Sequence[str], pretrained: bool) -> Centres:
    backbone = singleshot.build_backbone(settings.backbone, pretrained=pretrained)
    return Centres(
        backbone,
        class_names,
        singleshot.InputOptions.from_settings(settings),
        box_weight=settings.box_weight,
        postprocessing=singleshot.PostprocessOptions.from_settings(settings.results),
    )


CENTRES = singleshot.Family("centres", CentresSettings, build)
