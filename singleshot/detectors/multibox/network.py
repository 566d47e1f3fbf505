"""MultiBox: boxes of any object by one network, their classes by another, and its losses.

Erhan et al. 2014, "Scalable Object Detection using Deep Neural Networks", and its convolutional
successor, Szegedy et al. 2015, "Scalable, High-Quality Object Detection".

The loss (Erhan et al., §3.2 and §3.3) is
F = α ½ Σ x_ij ‖l_i - g_j‖² - Σ x_ij log c_i - Σ (1 - Σ_j x_ij) log(1 - c_i), where x_ij is 1 if
prior i is matched to object j, else 0; l_i is the predicted box and c_i its confidence.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torchvision.ops import nms

from singleshot.backbones.backbone import Backbone, grids
from singleshot.boxes.geometry import from_unit, to_corners, to_unit
from singleshot.detectors.common.postprocess import PAPER_POSTPROCESSING, PostprocessOptions
from singleshot.detectors.common.priors import PriorLayout, PriorLevel, PriorMatches, prior_boxes
from singleshot.detectors.common.regions import select_scored
from singleshot.detectors.common.single_size import InputOptions, SingleSizeDetector
from singleshot.detectors.detector import Losses, Prepared
from singleshot.detectors.multibox.heads import GridHeads, Grids, grid_levels
from singleshot.detectors.multibox.post_classifier import PostClassifier
from singleshot.detectors.multibox.settings import MultiBoxSettings
from singleshot.errors import ModelError
from singleshot.structures import Batch, Detections, Objects, objects_of

__all__ = [
    "BoxOutputs",
    "MultiBox",
    "MultiBoxOutputs",
    "ProposalOptions",
    "lowest_cost_pairs",
    "match_by_distance",
    "multibox_losses",
]


class BoxOutputs(NamedTuple):
    """Outputs of the first network for a batch."""

    boxes_unit: Float[Tensor, "b priors 4"]  # (x1, y1, x2, y2) in fractions of the image
    logits: Float[Tensor, "b priors"]  # of holding an object of any class


class MultiBoxOutputs(NamedTuple):
    """Outputs of both networks for a batch."""

    boxes: BoxOutputs
    proposed: list[Float[Tensor, "_ 4"]]  # of each image, most confident first; in pixels
    logits: Float[Tensor, "n columns"]  # of all proposals one after the other; background first


@dataclass(frozen=True, slots=True)
class ProposalOptions:
    """Numbers that boxes of the first network are proposed by to the second."""

    number: int = 20  # best of an image
    iou_threshold: float = 0.5  # of NMS among them


PAPER_PROPOSALS = ProposalOptions()


class MultiBox(SingleSizeDetector):
    """Six grids of priors over an Inception network, and a classifier of proposals.

    The first part of the training is for the boxes, the second for the classifier, with proposals
    of the first network.
    """

    priors_unit: Float[Tensor, "priors 4"]

    def __init__(
        self,
        backbone: Backbone,
        class_names: Sequence[str],
        inputs: InputOptions,
        *,
        grids: Grids,
        levels: Sequence[PriorLevel],
        heads: GridHeads,
        classifier: PostClassifier,
        localization_weight: float = 0.3,
        proposals: ProposalOptions = PAPER_PROPOSALS,
        classifier_begins: float = 0.5,
        postprocessing: PostprocessOptions = PAPER_POSTPROCESSING,
    ) -> None:
        """Each of the grids has its level of priors and its heads.

        `localization_weight` is α of the loss; the classifier is trained from the part
        `classifier_begins` of the training on.
        """
        super().__init__(backbone, class_names, inputs, postprocessing=postprocessing)
        self.grids, self.levels, self.heads = grids, levels, heads
        self.classifier = classifier
        self.localization_weight, self.proposal_options = localization_weight, proposals
        self.classifier_begins = classifier_begins
        self.classifying = False
        priors = to_corners(prior_boxes(levels, inputs.size, clip="corners"))
        # They follow from the recipe: a checkpoint need not hold them.
        self.register_buffer("priors_unit", priors, persistent=False)

    @classmethod
    def from_settings(
        cls,
        settings: MultiBoxSettings,
        backbone: Backbone,
        class_names: Sequence[str],
        second: Backbone,
    ) -> "MultiBox":
        """Build the detector that a recipe describes; `second` is the classifier's own backbone.

        Raises ModelError if the network cannot take the input size.
        """
        maps = Grids(backbone.channels[-1])
        level_grids = _find_grids(backbone, maps, settings.input)
        levels = grid_levels(level_grids, settings.sizes_unit, settings.input)
        return cls(
            backbone,
            class_names,
            InputOptions.from_settings(settings),
            grids=maps,
            levels=levels,
            heads=GridHeads(maps.channels, [level.num_priors_per_cell for level in levels]),
            classifier=PostClassifier.from_settings(
                settings.classifier, second, len(class_names), settings.pixels
            ),
            localization_weight=settings.localization_weight,
            proposals=ProposalOptions(
                settings.classifier.proposals, settings.classifier.iou_threshold
            ),
            classifier_begins=settings.classifier.begins,
            postprocessing=PostprocessOptions.from_settings(settings.results),
        )

    @property
    def num_boxes(self) -> int:
        """As many as there are priors."""
        return len(self.priors_unit)

    def prior_layout(self) -> PriorLayout:
        """Return the priors grid by grid, cut off at the edges of the image."""
        boxes = from_unit(self.priors_unit.cpu(), self.input_size)
        return PriorLayout(tuple(self.levels), self.input_size, boxes)

    def match_objects(self, batch: Batch) -> PriorMatches:
        """Match one prior to each object, by the distance of their corners."""
        priors_unit, images, priors, boxes = self.priors_unit.cpu(), [], [], []
        for image, truth in enumerate(batch.truths):
            objects = objects_of(truth, priors_unit.device)
            prior, of_truth = match_by_distance(
                priors_unit, to_unit(objects.boxes, self.input_size)
            )
            images.append(torch.full_like(prior, image))
            priors.append(prior)
            boxes.append(objects.boxes[of_truth])
        return PriorMatches(torch.cat(images), torch.cat(priors), torch.cat(boxes))

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The backbone, and the heads of the first network."""
        return {"backbone": self.backbone, "heads": nn.ModuleList([self.grids, self.heads])}

    def enter(self, part: float) -> None:
        """Begin to train the classifier, with the boxes fixed."""
        self.classifying = part >= self.classifier_begins
        if self.classifying:
            for module in (self.backbone, self.grids, self.heads):
                module.eval()

    def predict_boxes(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> BoxOutputs:
        """Predict a box and its confidence at every prior."""
        offsets, logits = self.heads(self.grids(self.backbone(self.normalise(images))))
        return BoxOutputs(self.priors_unit + offsets.float(), logits.float())

    def forward(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> MultiBoxOutputs:
        """Predict all boxes, propose some of each image, and compute logits of their classes."""
        boxes = self.predict_boxes(images)
        proposed = self.propose(boxes)
        return MultiBoxOutputs(boxes, proposed, self.classifier(images, proposed))

    @torch.no_grad()
    def propose(self, outputs: BoxOutputs) -> list[Float[Tensor, "_ 4"]]:
        """Select the most confident boxes of each image after NMS; in pixels."""
        options, proposed = self.proposal_options, []
        for boxes_unit, logits in zip(outputs.boxes_unit, outputs.logits, strict=True):
            # The network may predict two corners in the wrong order.
            corners = boxes_unit.clamp(0, 1).reshape(-1, 2, 2)
            ordered = torch.cat([corners.amin(dim=1), corners.amax(dim=1)], dim=1)
            boxes = from_unit(ordered, self.input_size)
            kept = nms(boxes, logits, options.iou_threshold)[: options.number]
            proposed.append(boxes[kept])
        return proposed

    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        """Compute the losses of the boxes in the first part of training, then the classifier's."""
        del prepared
        objects = [objects_of(truth, batch.images.device) for truth in batch.truths]
        if not self.classifying:
            return multibox_losses(
                *self.predict_boxes(batch.images),
                self.priors_unit,
                objects,
                self.input_size,
                localization_weight=self.localization_weight,
            )
        with torch.no_grad():
            proposed = self.propose(self.predict_boxes(batch.images))
        return self.classifier.losses(batch.images, proposed, objects)

    def score_boxes(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """Score every proposal for every class, at the box of the first network."""
        _, proposed, logits = self(images)
        scores = logits.softmax(dim=1)[:, 1:].split([len(boxes) for boxes in proposed])
        size, threshold = self.input_size, self.postprocess_options.score_threshold
        return [
            select_scored(of_image, boxes[:, None].expand(*of_image.shape, 4), size, threshold)
            for of_image, boxes in zip(scores, proposed, strict=True)
        ]


def _find_grids(backbone: Backbone, maps: Grids, size: tuple[int, int]) -> list[tuple[int, int]]:
    """Find (rows, columns) of each grid by a trial run.

    Raises ModelError if the network cannot take images of this (height, width).
    """
    try:
        return grids(nn.Sequential(backbone, maps), torch.zeros(1, 3, *size))
    except RuntimeError as error:
        raise ModelError(
            f"the network cannot take model.input = {list(size)}: {error}; the backbone's last "
            f"feature map must have 5 × 5 cells at least"
        ) from error


def multibox_losses(
    boxes_unit: Float[Tensor, "b priors 4"],
    logits: Float[Tensor, "b priors"],
    priors_unit: Float[Tensor, "priors 4"],
    objects: Sequence[Objects],
    size: tuple[int, int],
    *,
    localization_weight: float,
) -> Losses:
    """Average F over images of (height, width) `size`; `localization_weight` is α."""
    localization, classification, num_objects = [], [], 0
    for boxes, logit, shown in zip(boxes_unit, logits, objects, strict=True):
        truths_unit = to_unit(shown.boxes, size)
        priors, truths = match_by_distance(priors_unit, truths_unit)
        error = (boxes[priors] - truths_unit[truths]).square().sum() / 2
        is_object = torch.zeros_like(logit).index_fill(0, priors, 1.0)
        localization.append(localization_weight * error)
        classification.append(F.binary_cross_entropy_with_logits(logit, is_object, reduction="sum"))
        num_objects += len(priors)
    sums = {
        "localization": torch.stack(localization).sum(),
        "classification": torch.stack(classification).sum(),
    }
    return Losses.of(sums, weight=len(objects), num_matches=num_objects)


def match_by_distance(
    priors: Float[Tensor, "priors 4"], truths: Float[Tensor, "truths 4"]
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    """Match one prior to each object with the least sum of squared distances of corners.

    This is "prior matching" (§3.3): the priors themselves are compared with the objects, not the
    predicted boxes. The objective makes it an assignment problem; matching the closest pair first,
    as SSD does, may cost more.
    """
    cost = (priors[:, None] - truths).square().sum(dim=2) / 2
    return lowest_cost_pairs(cost)


def lowest_cost_pairs(
    cost: Float[Tensor, "priors truths"],
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    """Find pairs of the least total cost, each row and each column at most once, by SciPy.

    As many as there are truths, or priors, if those are fewer. Raises ModelError without SciPy.
    """
    try:
        optimize = importlib.import_module("scipy.optimize")
    except ImportError as error:
        raise ModelError(
            "matching objects to priors needs SciPy; install it with: "
            "pip install 'singleshot[baselines]'"
        ) from error
    pairs = optimize.linear_sum_assignment(cost.cpu().numpy())
    priors, truths = (torch.from_numpy(indices).to(cost.device) for indices in pairs)
    return priors, truths
