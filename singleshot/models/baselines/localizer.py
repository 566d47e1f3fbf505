"""Classification and localization: which object a picture shows, and where it is.

The step from a classifier to a detector: a second head predicts four numbers. It is attached after
the convolutions (as in OverFeat, Sermanet et al. 2014, §4) or after the last fully connected layer
(as in DeepPose, Toshev and Szegedy 2014, §3).
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from singleshot.boxes.iou import area
from singleshot.models.backbones.backbone import Backbone, grids
from singleshot.models.baselines.baseline import Baseline, pixels_of
from singleshot.recipes.baselines.localizer import LocalizerSettings
from singleshot.structures import Batch, Detections, Losses, Truth

__all__ = ["Localizer"]


class Localizer(Baseline):
    """One object a picture: its class, and its box."""

    settings: LocalizerSettings
    num_boxes = 1

    def __init__(
        self, backbone: Backbone, class_names: Sequence[str], settings: LocalizerSettings
    ) -> None:
        super().__init__(class_names, pixels_of(settings, backbone.pixel_mean, backbone.pixel_std))
        self.settings = settings
        self.backbone = backbone
        rows, columns = grids(backbone, torch.zeros(1, 3, *settings.input))[-1]
        widths = [backbone.channels[-1] * rows * columns, *settings.fully_connected]
        self.layers = fully_connected(widths)
        self.classes = nn.Linear(widths[-1], len(class_names))
        after_convolutions = settings.attach == "convolutions"
        self.box_layers = fully_connected(widths) if after_convolutions else None
        self.box = nn.Linear(widths[-1], 4)
        # Small, or the first gradients silence the layers before (Girshick 2015, §2.3).
        nn.init.normal_(self.classes.weight, std=0.01)
        nn.init.normal_(self.box.weight, std=0.001)

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The convolutions alone."""
        return {"backbone": self.backbone}

    def forward(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b classes"], Float[Tensor, "b 4"]]:
        """Logits, and boxes as (x1, y1, x2, y2) in fractions of the picture."""
        features = self.backbone(self.normalised(images))[-1].flatten(start_dim=1)
        last = self.layers(features)
        of_box = last if self.box_layers is None else self.box_layers(features)
        return self.classes(last), self.box(of_box)

    def losses(self, batch: Batch) -> Losses:
        """Cross-entropy of the class and squared distance of the box, of the largest object.

        Pictures without an object teach nothing.
        """
        logits, boxes_unit = (output.float() for output in self(batch.images))
        shown = [index for index, truth in enumerate(batch.truths) if len(truth)]
        if not shown:
            nothing = (logits.sum() + boxes_unit.sum()) * 0
            return Losses(nothing, nothing, 0)
        truth_boxes, labels = largest_objects([batch.truths[index] for index in shown])
        height, width = self.settings.input
        wanted = (truth_boxes / truth_boxes.new_tensor([width, height] * 2)).to(boxes_unit.device)
        share = len(shown) / len(batch)
        localization = F.mse_loss(boxes_unit[shown], wanted) * self.settings.localization_weight
        classification = F.cross_entropy(logits[shown], labels.to(logits.device))
        return Losses(share * localization, share * classification, len(shown))

    def scored(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """The one box, with the score of every class."""
        logits, boxes_unit = self(images)
        height, width = self.settings.input
        boxes = boxes_unit.float() * boxes_unit.new_tensor([width, height] * 2)
        best = logits.float().softmax(dim=1).max(dim=1)
        return [
            Detections(boxes[[index]], best.values[[index]], best.indices[[index]])
            for index in range(len(images))
        ]


def largest_objects(
    truths: Sequence[Truth],
) -> tuple[Float[Tensor, "b 4"], Int[Tensor, " b"]]:
    """The box and label of the largest object of each picture."""
    largest = [int(area(truth.boxes).argmax()) for truth in truths]
    chosen = [truth[index : index + 1] for truth, index in zip(truths, largest, strict=True)]
    return torch.cat([one.boxes for one in chosen]), torch.cat([one.labels for one in chosen])


def fully_connected(widths: Sequence[int]) -> nn.Sequential:
    """Layers from each width to the next."""
    layers = [
        nn.Sequential(nn.Linear(before, after), nn.ReLU(inplace=True))
        for before, after in pairwise(widths)
    ]
    return nn.Sequential(*layers)
