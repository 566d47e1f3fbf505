"""R-FCN (Dai et al. 2016): all that is learned comes before the regions: each costs little."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torchvision.ops import ps_roi_pool

from singleshot.backbones.backbone import Backbone, grids
from singleshot.backbones.initial import small_convolution
from singleshot.detectors.detector import Losses, Prepared
from singleshot.detectors.rcnn.proposal_losses import with_proposal_losses
from singleshot.detectors.rcnn.proposals import ProposalNetwork, Proposed
from singleshot.detectors.rcnn.region_detector import (
    RegionDetector,
    padded_to,
    scored_regions,
    traced,
)
from singleshot.detectors.rcnn.region_layers import of_label
from singleshot.detectors.rcnn.region_losses import costs_of, sum_over_images
from singleshot.detectors.rcnn.region_sampling import (
    BACKGROUND,
    Labelled,
    label_regions,
    objects_of,
    with_truths,
)
from singleshot.detectors.rcnn.settings import RfcnSettings
from singleshot.errors import ModelError
from singleshot.structures import Batch, Detections

__all__ = ["Rfcn", "hardest", "voted"]

BOXES = 2  # background and object: offsets are the same for all classes (§2.2)
OBJECT = 1


class Rfcn(RegionDetector):
    """Position-sensitive score maps: one for each part of an object of each class."""

    settings: RfcnSettings

    def __init__(
        self, backbone: Backbone, class_names: Sequence[str], settings: RfcnSettings
    ) -> None:
        """Regions are proposed on the backbone's first map and judged on its last.

        Raises ModelError if these have not one stride.
        """
        super().__init__(backbone, class_names, settings)
        if len(set(self.strides)) > 1:
            raise ModelError(
                f"model.backbone: R-FCN judges regions on a map as fine as it proposes them on, "
                f"and these have strides {self.strides}; name one level, or dilate the last"
            )
        self.proposals = ProposalNetwork(backbone.channels[0], self.strides[:1], settings.proposals)
        width = settings.reduced or backbone.channels[-1]
        self.reduced = nn.Sequential()
        if settings.reduced:
            reduced = small_convolution(backbone.channels[-1], width)
            self.reduced = nn.Sequential(reduced, nn.ReLU(inplace=True))
        parts = settings.bins**2
        self.score_maps = small_convolution(width, parts * (len(class_names) + 1))
        self.offset_maps = small_convolution(width, parts * 4 * BOXES)

    @property
    def num_boxes(self) -> int:
        """Anchors that go into suppression, at detection."""
        image = padded_to(torch.zeros(1, 3, *self.settings.input, device="meta"), max(self.strides))
        return self.proposals.num_candidates(grids(traced(self.backbone), image)[:1])

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The convolutions, and what proposes and judges regions."""
        heads = [self.proposals, self.reduced, self.score_maps, self.offset_maps]
        return {"backbone": self.backbone, "heads": nn.ModuleList(heads)}

    def forward(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> tuple[Proposed, Float[Tensor, "n outputs"], Float[Tensor, "n outputs 4"]]:
        """What is proposed, and of each region logits and offsets, image by image."""
        maps, proposed = self.propose(images)
        return proposed, *self.judge(maps, proposed.regions)

    def propose(self, images: Tensor) -> tuple[Float[Tensor, "b width rows columns"], Proposed]:
        """The map before the score maps, and what is proposed."""
        padded = self.padded(images)
        maps = self.backbone(padded)
        size = images.shape[-2], images.shape[-1]
        return self.reduced(maps[-1]), self.proposals(padded, maps[:1], size)

    def judge(
        self, features: Float[Tensor, "b width rows columns"], regions: Sequence[Tensor]
    ) -> tuple[Float[Tensor, "n outputs"], Float[Tensor, "n outputs 4"]]:
        """Logits and offsets of all regions; the offsets of all classes are the same."""
        bins, stride = self.settings.bins, self.strides[-1]
        logits = voted(self.score_maps(features), regions, bins, stride)
        offsets = voted(self.offset_maps(features), regions, bins, stride).reshape(-1, BOXES, 4)
        return logits, offsets[:, [BACKGROUND, *[OBJECT] * len(self.class_names)]]

    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        """Losses of anchors, and of each image's regions with the greatest loss (§2.2)."""
        del prepared
        objects = [objects_of(truth, batch.images.device) for truth in batch.truths]
        features, proposed = self.propose(batch.images)
        labelled = [
            label_regions(
                with_truths(regions, shown),
                shown,
                self.settings.positive_iou,
                (0.0, self.settings.positive_iou),
            )
            for regions, shown in zip(proposed.regions, objects, strict=True)
        ]
        logits, offsets = self.judge(features, [regions.regions for regions in labelled])
        judged = losses_of_hardest(logits, offsets, labelled, self.settings.hardest)
        size = batch.images.shape[-2], batch.images.shape[-1]
        return with_proposal_losses(judged, proposed, objects, size, self.settings.proposals)

    def scored(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """Every proposal with every class, where it says its object is."""
        proposed, logits, offsets = self(images)
        return scored_regions(proposed.regions, logits, offsets, images, self.settings.results)


def voted(
    maps: Float[Tensor, "b maps rows columns"],
    regions: Sequence[Float[Tensor, "_ 4"]],
    bins: int,
    stride: int,
) -> Float[Tensor, "n outputs"]:
    """The mean over the bins × bins parts of each region (§2.2, equations 1 and 2).

    Part (i, j) of output c is averaged from the map (c · bins + i) · bins + j alone. Corners are
    rounded to whole cells, as torchvision does it; the authors' layer begins and ends between them.
    """
    # torchvision leaves out the last row and the last column of what it is given (0.29).
    padded = F.pad(maps, (0, 1, 0, 1))
    parts: Tensor = ps_roi_pool(padded, list(regions), bins, 1 / stride)
    return parts.mean(dim=(2, 3))


def losses_of_hardest(
    logits: Float[Tensor, "n columns"],
    offsets: Float[Tensor, "n columns 4"],
    labelled: Sequence[Labelled],
    number: int,
) -> Losses:
    """Online hard example mining (Shrivastava et al. 2016): most regions learn nothing."""
    together = Labelled(*(torch.cat(parts) for parts in zip(*labelled, strict=True)))
    costs = costs_of(logits, of_label(offsets, together.labels), together)
    numbers = [len(of_image.labels) for of_image in labelled]
    starts = [sum(numbers[:place]) for place in range(len(numbers))]
    found = [
        start + hardest(of_image, number)
        for start, of_image in zip(
            starts,
            (costs.classification + costs.localization).split_with_sizes(numbers),
            strict=True,
        )
    ]
    picked, numbers = torch.cat(found), [len(indices) for indices in found]
    sums = {
        "localization": sum_over_images(costs.localization[picked], numbers),
        "classification": sum_over_images(costs.classification[picked], numbers),
    }
    num_matches = int(together.positive[picked].sum())
    return Losses.of(sums, weight=len(labelled), num_matches=num_matches)


def hardest(costs: Float[Tensor, " n"], number: int) -> Int[Tensor, " picked"]:
    """Indices of so many regions with the greatest cost; all where there are no more."""
    return costs.detach().topk(min(number, len(costs))).indices
