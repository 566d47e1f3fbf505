"""R-CNN (Girshick et al. 2014): regions, CNN features, linear SVMs, box regression.

The recipe's network is torchvision's AlexNet, where the authors have CaffeNet: fewer channels in
the first two convolutions, no groups, no response normalisation, and pixels that are divided by
their deviation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from singleshot.backbones.backbone import Backbone, grids
from singleshot.boxes.geometry import pairwise_iou
from singleshot.detectors.common.fully_connected import FullyConnected, small_linear
from singleshot.detectors.common.postprocess import PAPER_POSTPROCESSING, PostprocessOptions
from singleshot.detectors.common.regions import (
    LabelledRegions,
    Sampling,
    label_regions,
    pick,
    select_scored,
    sum_over_images,
    warp_regions,
    with_truths,
)
from singleshot.detectors.common.single_size import InputOptions
from singleshot.detectors.detector import Losses, Prepared
from singleshot.detectors.rcnn.losses import decode_regions, offset_targets, offsets_of_label
from singleshot.detectors.rcnn.regions import RegionDetector, on_meta_device, sample_batch
from singleshot.detectors.rcnn.selective_search import SelectiveSearch, whole_image_regions
from singleshot.detectors.rcnn.settings import RcnnSettings, RegionAspect, StageSettings
from singleshot.structures import Batch, Detections, Objects, objects_of

__all__ = ["Rcnn", "StageOptions", "box_costs", "scale_to_norm", "svm_costs"]

AT_ONCE = 128  # regions in the network while detecting
RAW = (1.0, 1.0)  # offsets are regressed unscaled (appendix C)


@dataclass(frozen=True, slots=True)
class StageOptions:
    """Numbers of the three stages: the network, its SVMs, its box regression."""

    svms_from: float = 0.6  # part of the training when stage two begins
    boxes_from: float = 0.8  # part of the training when stage three begins
    feature_norm: float = 20.0  # length that feature vectors are scaled to
    svm_negative_iou: float = 0.3  # IoU with all objects of a class below which a region is none
    candidates: int = 512  # regions of an image, drawn at random, among which …
    hard_negatives: int = 96  # … so many with the highest scores are the negatives of an SVM
    svm_positive_weight: float = 2.0
    svm_decay: float = 1e-4  # λ of λ / 2 · ‖w‖² beside the hinge loss
    boxes_iou: float = 0.6  # IoU from which a region has a box loss
    boxes_decay: float = 1e-4  # λ of λ / 2 · ‖w‖² of the regression

    @classmethod
    def from_settings(cls, settings: StageSettings) -> "StageOptions":
        """Translate the table `model.stages`."""
        return cls(
            settings.svms_from,
            settings.boxes_from,
            settings.feature_norm,
            settings.svm_negative_iou,
            settings.candidates,
            settings.hard_negatives,
            settings.svm_positive_weight,
            settings.svm_decay,
            settings.boxes_iou,
            settings.boxes_decay,
        )


PAPER_SAMPLING = Sampling(128, 0.25, 0.5, (0.0, 0.5))
PAPER_STAGES = StageOptions()


class Rcnn(RegionDetector):
    """Crops every region, warps it to a square, and classifies it by itself.

    Training has three stages: the network as a classifier of regions; a linear support vector
    machine (SVM) for each class on its features; the regression of boxes. What an earlier stage
    has trained is then fixed.
    """

    def __init__(
        self,
        backbone: Backbone,
        class_names: Sequence[str],
        inputs: InputOptions,
        search: SelectiveSearch,
        *,
        warped: int = 227,
        context: int = 16,
        fully_connected: Sequence[int] = (4096, 4096),
        dropout: float = 0.5,
        sampling: Sampling = PAPER_SAMPLING,
        stages: StageOptions = PAPER_STAGES,
        aspect: RegionAspect = "stretch",
        postprocessing: PostprocessOptions = PAPER_POSTPROCESSING,
    ) -> None:
        """Regions are warped to `warped` pixels a side, with `context` pixels around them."""
        super().__init__(
            backbone, class_names, inputs, aspect=aspect, postprocessing=postprocessing
        )
        self.search = search
        self.warped, self.context = warped, context
        self.sampling, self.stage_options = sampling, stages
        region = torch.zeros(1, 3, warped, warped, device="meta")
        rows, columns = grids(on_meta_device(backbone), region)[-1]
        width = backbone.channels[-1] * rows * columns
        widths = [width, *fully_connected]
        self.layers = FullyConnected(widths, dropout)
        self.classes = small_linear(widths[-1], len(class_names) + 1, 0.01)
        # Convex problems need no random initialisation.
        self.machines = small_linear(widths[-1], len(class_names), 0.0)
        self.offsets = small_linear(width, 4 * len(class_names), 0.0)
        self.stage = 0

    @classmethod
    def from_settings(
        cls, settings: RcnnSettings, backbone: Backbone, class_names: Sequence[str]
    ) -> "Rcnn":
        """Build the detector of a recipe; weights other than the backbone's are random."""
        return cls(
            backbone,
            class_names,
            InputOptions.from_settings(settings),
            SelectiveSearch.from_settings(settings.search),
            warped=settings.warped,
            context=settings.context,
            fully_connected=settings.fully_connected,
            dropout=settings.dropout,
            sampling=Sampling.from_settings(settings.sampling),
            stages=StageOptions.from_settings(settings.stages),
            aspect=settings.aspect,
            postprocessing=PostprocessOptions.from_settings(settings.results),
        )

    @property
    def num_boxes(self) -> int:
        """The limit on regions of an image; a plain image has fewer."""
        return self.search.regions

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The backbone, and all layers after it."""
        heads = [self.layers, self.classes, self.machines, self.offsets]
        return {"backbone": self.backbone, "heads": nn.ModuleList(heads)}

    def load_classifier(self, weights: Mapping[str, Tensor]) -> list[str]:
        """Copy fc6 and fc7 of an AlexNet, and name the tensors that were taken."""
        return self.layers.fill(weights)

    def enter(self, part: float) -> None:
        """Begin the stage of the SVMs, then that of box regression, with the network fixed."""
        stages = self.stage_options
        self.stage = (part >= stages.svms_from) + (part >= stages.boxes_from)
        if self.stage:
            self.backbone.eval()
            self.layers.eval()

    def features(
        self, normalised: Float[Tensor, "b 3 h w"], regions: Sequence[Float[Tensor, "_ 4"]]
    ) -> tuple[Float[Tensor, "n pool5"], Float[Tensor, "n fc7"]]:
        """Compute of each region the last feature map, flat, and the last fully connected layer."""
        crops = warp_regions(normalised, regions, self.warped, self.context)
        pool5 = self.backbone(crops)[-1].flatten(start_dim=1)
        return pool5, self.layers(pool5)

    def forward(
        self,
        images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"],
        regions: Sequence[Float[Tensor, "_ 4"]] | None = None,
    ) -> tuple[Float[Tensor, "n classes"], Float[Tensor, "n classes 4"]]:
        """Compute scores and offsets of each region, image by image.

        A score is the sigmoid of the class's SVM, which keeps the order but is not a probability;
        before the SVMs are trained, the network's own probability. Without regions the whole image
        is taken `num_boxes` times: the greatest cost of an image.
        """
        if regions is None:
            regions = whole_image_regions(images, self.num_boxes)
        normalised = self.normalise(images)
        found = [
            self._classify(normalised[[index]], some)
            for index, of_image in enumerate(regions)
            for some in torch.split(of_image, AT_ONCE)
        ]
        scores, offsets = (torch.cat(parts) for parts in zip(*found, strict=True))
        return scores, offsets

    def _classify(
        self, normalised: Float[Tensor, "1 3 h w"], regions: Float[Tensor, "n 4"]
    ) -> tuple[Float[Tensor, "n classes"], Float[Tensor, "n classes 4"]]:
        """Compute scores and offsets of some regions of an image."""
        pool5, fc7 = self.features(normalised, [regions])
        norm = self.stage_options.feature_norm
        if self.machines.weight.any():
            scores = self.machines(scale_to_norm(fc7, norm)).sigmoid()
        else:
            scores = self.classes(fc7).softmax(dim=1)[:, 1:]
        return scores, self.offsets(scale_to_norm(pool5, norm)).unflatten(1, (-1, 4))

    def score_boxes(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """Score every region for every class, moved by the regression of the class."""
        regions = self.search(images)
        scores, offsets = self(images, regions)
        boxes = decode_regions(offsets, torch.cat(regions), RAW)
        size = images.shape[-2], images.shape[-1]
        numbers = [len(of_image) for of_image in regions]
        return [
            select_scored(*of_image, size, self.postprocess_options.score_threshold)
            for of_image in zip(
                scores.split_with_sizes(numbers), boxes.split_with_sizes(numbers), strict=True
            )
        ]

    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        """Compute the losses of the stage; the terms of other stages are 0."""
        del prepared
        stages: list[Callable[[Batch], Losses]]
        stages = [self._network_losses, self._svm_losses, self._box_losses]
        return stages[self.stage](batch)

    def _network_losses(self, batch: Batch) -> Losses:
        """Compute the cross-entropy of sampled regions, with background as a class (§2.3)."""
        sampled = sample_batch(self.search(batch.images), batch, self.sampling)
        regions = [labelled.regions for labelled in sampled]
        _, fc7 = self.features(self.normalise(batch.images), regions)
        logits = self.classes(fc7).float()
        labels = torch.cat([labelled.labels for labelled in sampled])
        costs = F.cross_entropy(logits, labels, reduction="none")
        numbers = [len(labelled.labels) for labelled in sampled]
        classification = sum_over_images(costs, numbers)
        sums = {"localization": torch.zeros_like(classification), "classification": classification}
        return Losses.of(sums, weight=len(batch), num_matches=int((labels > 0).sum()))

    def _svm_losses(self, batch: Batch) -> Losses:
        """Compute hinge losses of ground truth and of regions without the class (§2.3)."""
        stages, costs, number = self.stage_options, [], 0
        for image, regions, objects in self._images_with_regions(batch):
            drawn = torch.randperm(len(regions), device=image.device)[: stages.candidates]
            fc7 = self._fixed_features(image, with_truths(regions[drawn], objects))[1]
            costs.append(
                svm_costs(
                    self.machines(fc7),
                    regions[drawn],
                    objects,
                    negative_iou=stages.svm_negative_iou,
                    hard_negatives=stages.hard_negatives,
                    positive_weight=stages.svm_positive_weight,
                )
            )
            number += len(objects.labels)
        decay = stages.svm_decay / 2 * self.machines.weight.square().sum()
        # Once a batch, however many parts it has: each part adds the share of its images.
        classification = torch.stack(costs).sum() + len(batch) * decay
        sums = {"localization": torch.zeros_like(decay), "classification": classification}
        return Losses.of(sums, weight=len(batch), num_matches=number)

    def _box_losses(self, batch: Batch) -> Losses:
        """Compute squared errors of the offsets of regions close to an object (appendix C)."""
        stages, costs, number = self.stage_options, [], 0
        for image, regions, objects in self._images_with_regions(batch):
            labelled = label_regions(
                with_truths(regions, objects), objects, stages.boxes_iou, (0.0, 0.0)
            )
            close = labelled.select(pick(labelled.positive, self.sampling.number))
            offsets = self.offsets(self._fixed_features(image, close.regions)[0]).unflatten(
                1, (-1, 4)
            )
            costs.append(box_costs(offsets, close))
            number += len(close.labels)
        decay = stages.boxes_decay / 2 * self.offsets.weight.square().sum()
        localization = torch.stack(costs).sum() + len(batch) * decay
        sums = {"localization": localization, "classification": torch.zeros_like(decay)}
        return Losses.of(sums, weight=len(batch), num_matches=number)

    def _images_with_regions(self, batch: Batch) -> list[tuple[Tensor, Tensor, Objects]]:
        """Pair each normalised image with its regions and objects."""
        objects = [objects_of(truth, batch.images.device) for truth in batch.truths]
        images = torch.split(self.normalise(batch.images), 1)
        return list(zip(images, self.search(batch.images), objects, strict=True))

    @torch.no_grad()
    def _fixed_features(
        self, normalised: Float[Tensor, "1 3 h w"], regions: Float[Tensor, "n 4"]
    ) -> tuple[Float[Tensor, "n pool5"], Float[Tensor, "n fc7"]]:
        """Compute features of one norm, without gradient."""
        norm = self.stage_options.feature_norm
        parts = [self.features(normalised, [some]) for some in torch.split(regions, AT_ONCE)]
        pool5, fc7 = (torch.cat(features) for features in zip(*parts, strict=True))
        return scale_to_norm(pool5, norm), scale_to_norm(fc7, norm)


def scale_to_norm(features: Float[Tensor, "n width"], norm: float) -> Float[Tensor, "n width"]:
    """Scale vectors to this norm; the original's have it on average (rcnn_scale_features.m)."""
    return F.normalize(features.float()) * norm


def svm_costs(
    outputs: Float[Tensor, "m classes"],
    regions: Float[Tensor, "n 4"],
    objects: Objects,
    *,
    negative_iou: float,
    hard_negatives: int,
    positive_weight: float,
) -> Float[Tensor, ""]:
    """Average the hinge losses max(0, 1 - y f) of all SVMs over classes and examples.

    `outputs` are f of the regions, then of the objects. Positives of an SVM are the objects of its
    class; negatives the regions with the greatest outputs whose IoU with all of them is below
    `negative_iou` (§2.3, rcnn_train.m).
    """
    of_regions, of_truths = outputs.float().tensor_split([len(regions)])
    columns = torch.arange(outputs.shape[1], device=outputs.device)
    is_own = objects.labels[:, None] == columns
    overlaps = pairwise_iou(regions, objects.boxes)[:, :, None] * is_own
    # With a row of zeros, since there may be no objects.
    overlap = torch.cat([torch.zeros_like(of_regions)[:, None], overlaps], dim=1).amax(dim=1)
    of_negatives = of_regions.masked_fill(overlap >= negative_iou, -torch.inf)
    hard = of_negatives.topk(min(hard_negatives, len(regions)), dim=0).values
    negatives = (1 + hard).clamp(min=0)
    positives = positive_weight * (1 - of_truths).clamp(min=0) * is_own
    number = int(hard.isfinite().sum() + is_own.sum())
    cost: Tensor = (positives.sum() + negatives.sum()) / max(number, 1)
    return cost


def box_costs(
    offsets: Float[Tensor, "n classes 4"], labelled: LabelledRegions
) -> Float[Tensor, ""]:
    """Average half the squared error of each region's offsets of its class.

    All regions show an object; without regions the cost is 0 (appendix C, equation 5).
    """
    predicted = offsets_of_label(offsets.float(), labelled.labels - 1)
    error = (predicted - offset_targets(labelled, (1.0, 1.0))).square().sum(dim=1)
    return error.sum() / (2 * max(len(labelled.labels), 1))
