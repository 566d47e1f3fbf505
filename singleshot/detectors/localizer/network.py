"""Classification and localization of the one object of an image.

The step from a classifier to a detector: a second head predicts four numbers. It is attached after
the convolutions (as in OverFeat, Sermanet et al. 2014, §4.1) or after the last fully connected
layer (as in DeepPose, Toshev and Szegedy 2014, §3).
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from singleshot.backbones.backbone import Backbone, grids
from singleshot.boxes.geometry import area, from_unit, to_unit
from singleshot.detectors.common.fully_connected import FullyConnected, small_linear
from singleshot.detectors.common.regions import Objects, objects_of
from singleshot.detectors.common.single_size import SingleSizeDetector
from singleshot.detectors.detector import Losses, Prepared
from singleshot.detectors.localizer.settings import LocalizerSettings
from singleshot.structures import Batch, Detections

__all__ = ["Localizer", "largest_object"]

NUMBERS = 4  # of a box


class Localizer(SingleSizeDetector):
    """A detector of one object per image: its class, and its box."""

    settings: LocalizerSettings

    def __init__(
        self, backbone: Backbone, class_names: Sequence[str], settings: LocalizerSettings
    ) -> None:
        super().__init__(backbone, class_names, settings)
        rows, columns = grids(backbone, torch.zeros(1, 3, *settings.input))[-1]
        widths = [backbone.channels[-1] * rows * columns, *settings.fully_connected]
        self.layers = FullyConnected(widths, dropout=0.0)
        after_convolutions = settings.attach == "convolutions"
        self.box_layers = FullyConnected(widths, dropout=0.0) if after_convolutions else None
        # Small, or the first gradients make the layers before output 0 (Girshick 2015, §2.3).
        self.classes = small_linear(widths[-1], len(class_names), 0.01)
        self.box = small_linear(widths[-1], NUMBERS, 0.001)

    @property
    def num_boxes(self) -> int:
        """One: the outputs of the regression head."""
        return self.box.out_features // NUMBERS

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The backbone, and all layers after it."""
        heads = [self.layers, self.box_layers, self.classes, self.box]
        return {
            "backbone": self.backbone,
            "heads": nn.ModuleList(head for head in heads if head is not None),
        }

    def forward(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b classes"], Float[Tensor, "b 4"]]:
        """Compute logits, and boxes as (x1, y1, x2, y2) in fractions of the image."""
        features = self.backbone(self.normalise(images))[-1].flatten(start_dim=1)
        last = self.layers(features)
        of_box = last if self.box_layers is None else self.box_layers(features)
        return self.classes(last), self.box(of_box)

    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        """Compute cross-entropy and squared error of the box, for the largest object.

        Averaged over the images; one without an object counts 0.
        """
        del prepared
        logits, boxes_unit = (output.float() for output in self(batch.images))
        largest = [largest_object(objects_of(truth, logits.device)) for truth in batch.truths]
        shown = torch.tensor([len(one.labels) for one in largest], device=logits.device).bool()
        boxes, labels = (torch.cat(parts) for parts in zip(*largest, strict=True))
        targets = to_unit(boxes, self.settings.input)
        errors = F.mse_loss(boxes_unit[shown], targets, reduction="none").mean(dim=1)
        entropies = F.cross_entropy(logits[shown], labels, reduction="none")
        localization = self.settings.localization_weight * errors.sum()
        sums = {"localization": localization, "classification": entropies.sum()}
        return Losses.of(sums, weight=len(batch), num_matches=len(labels))

    def score_boxes(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """Score the one box, with the class of the highest score."""
        logits, boxes_unit = self(images)
        boxes = from_unit(boxes_unit.float(), self.settings.input)
        scores, labels = logits.float().softmax(dim=1).max(dim=1)
        columns = (torch.split(column, 1) for column in (boxes, scores, labels))
        return [Detections(*of_image) for of_image in zip(*columns, strict=True)]


def largest_object(objects: Objects) -> Objects:
    """Select the object of the largest area, the first of equal ones, if there is one."""
    first = area(objects.boxes).argsort(descending=True, stable=True)[:1]
    return Objects(objects.boxes[first], objects.labels[first])
