"""Classification and localization of the one object of an image.

The step from a classifier to a detector: a second head predicts four numbers. It is attached after
the convolutions (as in OverFeat, Sermanet et al. 2014, §4.1) or after the last fully connected
layer (as in DeepPose, Toshev and Szegedy 2014, §3).
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from singleshot.backbones.backbone import Backbone, grids
from singleshot.boxes.geometry import area, from_unit, to_unit
from singleshot.detectors.common.fully_connected import FullyConnected, small_linear
from singleshot.detectors.common.postprocess import PAPER_POSTPROCESSING, PostprocessOptions
from singleshot.detectors.common.single_size import InputOptions, SingleSizeDetector
from singleshot.detectors.detector import Losses, Prepared
from singleshot.detectors.localizer.settings import LocalizerSettings
from singleshot.structures import Batch, Detections, Objects, objects_of

__all__ = ["Localizer", "largest_object"]

NUMBERS = 4  # of a box


class Localizer(SingleSizeDetector):
    """A detector of one object per image: its class, and its box."""

    def __init__(
        self,
        backbone: Backbone,
        class_names: Sequence[str],
        inputs: InputOptions,
        *,
        fully_connected: Sequence[int] = (512, 512),
        attach: Literal["convolutions", "fully_connected"] = "fully_connected",
        localization_weight: float = 2.0,
        postprocessing: PostprocessOptions = PAPER_POSTPROCESSING,
    ) -> None:
        """The box layer is attached to the feature map, or to the last of the classifier's layers.

        `localization_weight` is that of the squared error beside the cross-entropy of the class.
        """
        super().__init__(backbone, class_names, inputs, postprocessing=postprocessing)
        self.localization_weight = localization_weight
        rows, columns = grids(backbone, torch.zeros(1, 3, *inputs.size))[-1]
        widths = [backbone.channels[-1] * rows * columns, *fully_connected]
        self.layers = FullyConnected(widths, dropout=0.0)
        after_convolutions = attach == "convolutions"
        self.box_layers = FullyConnected(widths, dropout=0.0) if after_convolutions else None
        # Small, or the first gradients make the layers before output 0 (Girshick 2015, §2.3).
        self.classes = small_linear(widths[-1], len(class_names), 0.01)
        self.box = small_linear(widths[-1], NUMBERS, 0.001)

    @classmethod
    def from_settings(
        cls, settings: LocalizerSettings, backbone: Backbone, class_names: Sequence[str]
    ) -> "Localizer":
        """Build the detector of a recipe; weights other than the backbone's are random."""
        return cls(
            backbone,
            class_names,
            InputOptions.from_settings(settings),
            fully_connected=settings.fully_connected,
            attach=settings.attach,
            localization_weight=settings.localization_weight,
            postprocessing=PostprocessOptions.from_settings(settings.results),
        )

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
        targets = to_unit(boxes, self.input_size)
        errors = F.mse_loss(boxes_unit[shown], targets, reduction="none").mean(dim=1)
        entropies = F.cross_entropy(logits[shown], labels, reduction="none")
        localization = self.localization_weight * errors.sum()
        sums = {"localization": localization, "classification": entropies.sum()}
        return Losses.of(sums, weight=len(batch), num_matches=len(labels))

    def score_boxes(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """Score the one box, with the class of the highest score."""
        logits, boxes_unit = self(images)
        boxes = from_unit(boxes_unit.float(), self.input_size)
        scores, labels = logits.float().softmax(dim=1).max(dim=1)
        columns = (torch.split(column, 1) for column in (boxes, scores, labels))
        return [Detections(*of_image) for of_image in zip(*columns, strict=True)]


def largest_object(objects: Objects) -> Objects:
    """Select the object of the largest area, the first of equal ones, if there is one."""
    first = area(objects.boxes).argsort(descending=True, stable=True)[:1]
    return Objects(objects.boxes[first], objects.labels[first])
