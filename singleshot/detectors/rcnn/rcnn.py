"""R-CNN (Girshick et al. 2014): regions, features of a CNN, linear machines, box regression."""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from singleshot.backbones.backbone import Backbone, grids
from singleshot.detectors.detector import Losses, Prepared
from singleshot.detectors.rcnn.rcnn_losses import box_costs, machine_costs
from singleshot.detectors.rcnn.region_detector import RegionDetector, judged, traced
from singleshot.detectors.rcnn.region_layers import FullyConnected, small_linear, warped
from singleshot.detectors.rcnn.region_losses import decoded, sum_over_images
from singleshot.detectors.rcnn.region_sampling import (
    Objects,
    label_regions,
    objects_of,
    pick,
    sample_batch,
    with_truths,
)
from singleshot.detectors.rcnn.selective_search import SelectiveSearch, whole_images
from singleshot.detectors.rcnn.settings import RcnnSettings
from singleshot.structures import Batch, Detections

__all__ = ["Rcnn", "scaled_to"]

AT_ONCE = 128  # regions in the network while detecting
RAW = (1.0, 1.0)  # offsets are regressed as they are (appendix C)


class Rcnn(RegionDetector):
    """Every region is cut out, warped to a square, and seen by the network by itself.

    What learns depends on how far the training is: first the network, as a classifier of regions;
    then a linear support vector machine for each class, on its features; then the regression of
    boxes. What has learned before does not change any more.
    """

    settings: RcnnSettings

    def __init__(
        self, backbone: Backbone, class_names: Sequence[str], settings: RcnnSettings
    ) -> None:
        super().__init__(backbone, class_names, settings)
        self.search = SelectiveSearch(settings.search)
        region = torch.zeros(1, 3, settings.warped, settings.warped, device="meta")
        rows, columns = grids(traced(backbone), region)[-1]
        width = backbone.channels[-1] * rows * columns
        widths = [width, *settings.fully_connected]
        self.layers = FullyConnected(widths, settings.dropout)
        self.classes = small_linear(widths[-1], len(class_names) + 1, 0.01)
        # These are convex problems: nothing is gained by a start at random.
        self.machines = small_linear(widths[-1], len(class_names), 0.0)
        self.offsets = small_linear(width, 4 * len(class_names), 0.0)
        self.stage = 0

    @property
    def num_boxes(self) -> int:
        """Regions asked for; a plain image has fewer."""
        return self.settings.search.regions

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The convolutions, and all that comes after them."""
        heads = [self.layers, self.classes, self.machines, self.offsets]
        return {"backbone": self.backbone, "heads": nn.ModuleList(heads)}

    def take_classifier(self, weights: Mapping[str, Tensor]) -> None:
        """fc6 and fc7 of an AlexNet."""
        self.layers.fill(weights)

    def enter(self, part: float) -> None:
        """Go over to the machines, then to the boxes; the network is fixed from there on."""
        stages = self.settings.stages
        self.stage = (part >= stages.machines_from) + (part >= stages.boxes_from)
        if self.stage:
            self.backbone.eval()
            self.layers.eval()

    def features(
        self, normalised: Float[Tensor, "b 3 h w"], regions: Sequence[Float[Tensor, "_ 4"]]
    ) -> tuple[Float[Tensor, "n pool5"], Float[Tensor, "n fc7"]]:
        """Of each region the last feature map, flat, and the last fully connected layer."""
        settings = self.settings
        seen = warped(normalised, regions, settings.warped, settings.context)
        pool5 = self.backbone(seen)[-1].flatten(start_dim=1)
        return pool5, self.layers(pool5)

    def forward(
        self,
        images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"],
        regions: Sequence[Float[Tensor, "_ 4"]] | None = None,
    ) -> tuple[Float[Tensor, "n classes"], Float[Tensor, "n classes 4"]]:
        """Scores and offsets of each region, image by image.

        A score is that of the class' machine brought to between 0 and 1, which keeps the order but
        makes no probability of it; before machines have learned, the network's own probability.
        Without regions: of as many as are asked for, each the whole image. That is what an image
        costs at most.
        """
        if regions is None:
            regions = whole_images(images, self.num_boxes)
        normalised = self.normalised(images)
        found = [
            self.judge(normalised[[place]], some)
            for place, of_image in enumerate(regions)
            for some in torch.split(of_image, AT_ONCE)
        ]
        scores, offsets = (torch.cat(parts) for parts in zip(*found, strict=True))
        return scores, offsets

    def judge(
        self, normalised: Float[Tensor, "1 3 h w"], regions: Float[Tensor, "n 4"]
    ) -> tuple[Float[Tensor, "n classes"], Float[Tensor, "n classes 4"]]:
        """Scores and offsets of some regions of an image."""
        pool5, fc7 = self.features(normalised, [regions])
        norm = self.settings.stages.feature_norm
        if self.machines.weight.any():
            scores = self.machines(scaled_to(fc7, norm)).sigmoid()
        else:
            scores = self.classes(fc7).softmax(dim=1)[:, 1:]
        return scores, self.offsets(scaled_to(pool5, norm)).unflatten(1, (-1, 4))

    def scored(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """Every region with every class, where the class' regression moves it."""
        regions = self.search(images)
        scores, offsets = self(images, regions)
        boxes = decoded(offsets, torch.cat(regions), RAW)
        size = images.shape[-2], images.shape[-1]
        numbers = [len(of_image) for of_image in regions]
        return [
            judged(*found, size, self.settings.results.score_threshold)
            for found in zip(
                scores.split_with_sizes(numbers), boxes.split_with_sizes(numbers), strict=True
            )
        ]

    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        """The losses of the stage; the terms of other stages are 0."""
        del prepared
        stages: list[Callable[[Batch], Losses]]
        stages = [self.network_losses, self.machine_losses, self.box_losses]
        return stages[self.stage](batch)

    def network_losses(self, batch: Batch) -> Losses:
        """Cross-entropy of sampled regions, the background being a class (§2.3)."""
        sampled = sample_batch(self.search(batch.images), batch, self.settings.sampling)
        regions = [labelled.regions for labelled in sampled]
        _, fc7 = self.features(self.normalised(batch.images), regions)
        logits = self.classes(fc7).float()
        labels = torch.cat([labelled.labels for labelled in sampled])
        costs = F.cross_entropy(logits, labels, reduction="none")
        numbers = [len(labelled.labels) for labelled in sampled]
        classification = sum_over_images(costs, numbers)
        sums = {"localization": torch.zeros_like(classification), "classification": classification}
        return Losses.of(sums, weight=len(batch), num_matches=int((labels > 0).sum()))

    def machine_losses(self, batch: Batch) -> Losses:
        """Hinge losses of truths and of regions that are none of a class (§2.3)."""
        stages, costs, number = self.settings.stages, [], 0
        for image, regions, objects in self.each(batch):
            drawn = torch.randperm(len(regions), device=image.device)[: stages.candidates]
            fc7 = self.fixed(image, with_truths(regions[drawn], objects))[1]
            costs.append(machine_costs(self.machines(fc7), regions[drawn], objects, stages))
            number += len(objects.labels)
        decay = stages.machine_decay / 2 * self.machines.weight.square().sum()
        # Once a batch, however many parts it has: each part adds the share of its images.
        classification = torch.stack(costs).sum() + len(batch) * decay
        sums = {"localization": torch.zeros_like(decay), "classification": classification}
        return Losses.of(sums, weight=len(batch), num_matches=number)

    def box_losses(self, batch: Batch) -> Losses:
        """Squared distance of offsets, of regions close to a truth (appendix C)."""
        stages, costs, number = self.settings.stages, [], 0
        for image, regions, objects in self.each(batch):
            labelled = label_regions(
                with_truths(regions, objects), objects, stages.boxes_iou, (0.0, 0.0)
            )
            close = labelled.chosen(pick(labelled.positive, self.settings.sampling.regions))
            offsets = self.offsets(self.fixed(image, close.regions)[0]).unflatten(1, (-1, 4))
            costs.append(box_costs(offsets, close))
            number += len(close.labels)
        decay = stages.boxes_decay / 2 * self.offsets.weight.square().sum()
        localization = torch.stack(costs).sum() + len(batch) * decay
        sums = {"localization": localization, "classification": torch.zeros_like(decay)}
        return Losses.of(sums, weight=len(batch), num_matches=number)

    def each(self, batch: Batch) -> list[tuple[Tensor, Tensor, Objects]]:
        """Normalised images one by one, with their regions and objects."""
        objects = [objects_of(truth, batch.images.device) for truth in batch.truths]
        images = torch.split(self.normalised(batch.images), 1)
        return list(zip(images, self.search(batch.images), objects, strict=True))

    @torch.no_grad()
    def fixed(
        self, normalised: Float[Tensor, "1 3 h w"], regions: Float[Tensor, "n 4"]
    ) -> tuple[Float[Tensor, "n pool5"], Float[Tensor, "n fc7"]]:
        """Features of one length, which do not learn any more."""
        norm = self.settings.stages.feature_norm
        parts = [self.features(normalised, [some]) for some in torch.split(regions, AT_ONCE)]
        pool5, fc7 = (torch.cat(features) for features in zip(*parts, strict=True))
        return scaled_to(pool5, norm), scaled_to(fc7, norm)


def scaled_to(features: Float[Tensor, "n width"], norm: float) -> Float[Tensor, "n width"]:
    """Vectors of this length; the original's have it on average (rcnn_scale_features.m)."""
    return F.normalize(features.float()) * norm
