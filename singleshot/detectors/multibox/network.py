"""MultiBox: boxes of whatever they show, told by one network, classified by another.

Erhan et al. 2014, "Scalable Object Detection using Deep Neural Networks", and its convolutional
successor, Szegedy et al. 2015, "Scalable, High-Quality Object Detection".
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torchvision.ops import nms

from singleshot.backbones.backbone import Backbone, grids
from singleshot.boxes.geometry import from_unit, to_corners
from singleshot.detectors.common.baseline import Baseline, pixels_of
from singleshot.detectors.common.priors import prior_boxes
from singleshot.detectors.detector import Losses, Prepared
from singleshot.detectors.multibox.heads import GridHeads, Grids, grid_levels
from singleshot.detectors.multibox.loss import multibox_losses
from singleshot.detectors.multibox.post_classifier import PostClassifier
from singleshot.detectors.multibox.settings import MultiBoxSettings
from singleshot.detectors.rcnn.region_detector import judged
from singleshot.detectors.rcnn.region_sampling import objects_of
from singleshot.errors import ModelError
from singleshot.structures import Batch, Detections

__all__ = ["MultiBox", "Outputs", "Said"]


class Said(NamedTuple):
    """What the first network says of a batch."""

    boxes_unit: Float[Tensor, "b priors 4"]  # (x1, y1, x2, y2) in fractions of the image
    logits: Float[Tensor, "b priors"]  # of holding an object of any class


class Outputs(NamedTuple):
    """What both networks say of a batch."""

    said: Said
    proposed: list[Float[Tensor, "_ 4"]]  # of each image, most confident first; in pixels
    logits: Float[Tensor, "n columns"]  # of all proposals one after the other; background first


class MultiBox(Baseline):
    """Six grids of priors over an Inception network, and a classifier of proposals.

    In the first part of the training the boxes learn, in the second the classifier, from what the
    first network proposes by then.
    """

    settings: MultiBoxSettings
    priors_unit: Float[Tensor, "priors 4"]

    def __init__(
        self,
        backbone: Backbone,
        second: Backbone,
        class_names: Sequence[str],
        settings: MultiBoxSettings,
    ) -> None:
        """`second` is the classifier's own backbone."""
        super().__init__(class_names, pixels_of(settings, backbone.pixel_mean, backbone.pixel_std))
        self.settings = settings
        self.backbone = backbone
        self.grids = Grids(backbone.channels[-1])
        self.levels = grid_levels(self.level_grids(), settings.sizes_unit, settings.input)
        priors_per_cell = [level.num_priors_per_cell for level in self.levels]
        self.heads = GridHeads(self.grids.channels, priors_per_cell)
        pixels = pixels_of(settings, second.pixel_mean, second.pixel_std)
        self.classifier = PostClassifier(second, len(class_names), pixels, settings.classifier)
        self.classifying = False
        priors = to_corners(prior_boxes(self.levels, settings.input, clip="corners"))
        # They follow from the recipe: a checkpoint need not hold them.
        self.register_buffer("priors_unit", priors, persistent=False)

    def level_grids(self) -> list[tuple[int, int]]:
        """(rows, columns) of each grid, found by trial."""
        maps = nn.Sequential(self.backbone, self.grids)
        try:
            return grids(maps, torch.zeros(1, 3, *self.settings.input))
        except RuntimeError as error:
            raise ModelError(
                f"the network cannot take model.input = {list(self.settings.input)}: {error}; the "
                f"backbone's last feature map wants 5 cells at least, down and across"
            ) from error

    @property
    def num_boxes(self) -> int:
        """As many as there are priors."""
        return len(self.priors_unit)

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The first network, and what is predicted on its grids."""
        return {"backbone": self.backbone, "heads": nn.ModuleList([self.grids, self.heads])}

    def enter(self, part: float) -> None:
        """Go over to the classifier; the boxes are fixed from there on."""
        self.classifying = part >= self.settings.classifier.begins
        if self.classifying:
            for learned in (self.backbone, self.grids, self.heads):
                learned.eval()

    def say(self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]) -> Said:
        """Boxes and their confidence at every prior."""
        offsets, logits = self.heads(self.grids(self.backbone(self.normalised(images))))
        return Said(self.priors_unit + offsets.float(), logits.float())

    def forward(self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]) -> Outputs:
        """All boxes, those proposed of each image, and logits of their classes."""
        said = self.say(images)
        proposed = self.proposals(said)
        return Outputs(said, proposed, self.classifier(images, proposed))

    @torch.no_grad()
    def proposals(self, said: Said) -> list[Float[Tensor, "_ 4"]]:
        """The most confident boxes of each image that are not nearly another; in pixels."""
        settings = self.settings.classifier
        found = []
        for boxes_unit, logits in zip(said.boxes_unit, said.logits, strict=True):
            # Nothing keeps the network from saying two corners in the wrong order.
            corners = boxes_unit.clamp(0, 1).reshape(-1, 2, 2)
            ordered = torch.cat([corners.amin(dim=1), corners.amax(dim=1)], dim=1)
            boxes = from_unit(ordered, self.settings.input)
            kept = nms(boxes, logits, settings.iou_threshold)[: settings.proposals]
            found.append(boxes[kept])
        return found

    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        """The losses of the boxes in the first part of the training, then the classifier's."""
        del prepared
        objects = [objects_of(truth, batch.images.device) for truth in batch.truths]
        if not self.classifying:
            return multibox_losses(
                *self.say(batch.images),
                self.priors_unit,
                objects,
                self.settings.input,
                localization_weight=self.settings.localization_weight,
            )
        with torch.no_grad():
            proposed = self.proposals(self.say(batch.images))
        return self.classifier.losses(batch.images, proposed, objects)

    def scored(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """Every proposal with every class; boxes stay where the first network said."""
        _, proposed, logits = self(images)
        scores = logits.softmax(dim=1)[:, 1:].split([len(boxes) for boxes in proposed])
        threshold = self.settings.results.score_threshold
        return [
            judged(found, boxes[:, None].expand(*found.shape, 4), self.settings.input, threshold)
            for found, boxes in zip(scores, proposed, strict=True)
        ]
