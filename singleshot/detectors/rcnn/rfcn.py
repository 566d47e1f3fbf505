"""R-FCN (Dai et al. 2016): all weights come before the regions, so that each costs little."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torchvision.ops import ps_roi_pool

from singleshot.backbones.backbone import Backbone, grids
from singleshot.backbones.initial import small_convolution
from singleshot.detectors.common.postprocess import PAPER_POSTPROCESSING, PostprocessOptions
from singleshot.detectors.common.regions import (
    BACKGROUND,
    LabelledRegions,
    label_regions,
    sum_over_images,
    with_truths,
)
from singleshot.detectors.common.single_size import InputOptions
from singleshot.detectors.detector import Losses, Prepared
from singleshot.detectors.rcnn.losses import offsets_of_label, region_costs
from singleshot.detectors.rcnn.proposals import (
    ProposalNetwork,
    Proposals,
    with_proposal_losses,
)
from singleshot.detectors.rcnn.regions import (
    RegionDetector,
    on_meta_device,
    pad_to_multiple,
    score_regions,
    strides_of,
)
from singleshot.detectors.rcnn.settings import RegionAspect, RfcnSettings
from singleshot.errors import ModelError
from singleshot.structures import Batch, Detections, objects_of

__all__ = ["Rfcn", "hardest_regions", "vote"]

BOXES = 2  # background and object: offsets are the same for all classes (§2.2)
OBJECT = 1


class Rfcn(RegionDetector):
    """A detector with position-sensitive score maps, for each part of an object of each class."""

    def __init__(
        self,
        backbone: Backbone,
        class_names: Sequence[str],
        inputs: InputOptions,
        proposals: ProposalNetwork,
        *,
        reduced: int = 1024,
        bins: int = 7,
        positive_iou: float = 0.5,
        hardest: int = 128,
        aspect: RegionAspect = "stretch",
        postprocessing: PostprocessOptions = PAPER_POSTPROCESSING,
    ) -> None:
        """Regions are proposed on the backbone's first map and classified on its last.

        That one is reduced to `reduced` channels, or not if 0; regions have `bins` × `bins` parts.
        From `positive_iou` on they show an object; the `hardest` of an image are trained on. Raises
        ModelError if the strides of the two maps differ.
        """
        super().__init__(
            backbone, class_names, inputs, aspect=aspect, postprocessing=postprocessing
        )
        self.bins, self.positive_iou, self.hardest = bins, positive_iou, hardest
        if len(set(self.strides)) > 1:
            raise ModelError(
                f"model.backbone: R-FCN classifies regions on a map as fine as it proposes them "
                f"on, and these have strides {self.strides}; name one level, or dilate the last"
            )
        self.proposals = proposals
        width = reduced or backbone.channels[-1]
        self.reduced = nn.Sequential()
        if reduced:
            convolution = small_convolution(backbone.channels[-1], width)
            self.reduced = nn.Sequential(convolution, nn.ReLU(inplace=True))
        parts = bins**2
        self.score_maps = small_convolution(width, parts * (len(class_names) + 1))
        self.offset_maps = small_convolution(width, parts * 4 * BOXES)

    @classmethod
    def from_settings(
        cls, settings: RfcnSettings, backbone: Backbone, class_names: Sequence[str]
    ) -> "Rfcn":
        """Build the detector of a recipe; weights other than the backbone's are random."""
        return cls(
            backbone,
            class_names,
            InputOptions.from_settings(settings),
            ProposalNetwork.from_settings(
                settings.proposals, backbone.channels[0], strides_of(backbone)[:1]
            ),
            reduced=settings.reduced,
            bins=settings.bins,
            positive_iou=settings.positive_iou,
            hardest=settings.hardest,
            aspect=settings.aspect,
            postprocessing=PostprocessOptions.from_settings(settings.results),
        )

    @property
    def num_boxes(self) -> int:
        """Anchors that go into NMS, at detection."""
        image = pad_to_multiple(
            torch.zeros(1, 3, *self.input_size, device="meta"), max(self.strides)
        )
        return self.proposals.num_candidates(grids(on_meta_device(self.backbone), image)[:1])

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The backbone, and the layers that propose and classify regions."""
        heads = [self.proposals, self.reduced, self.score_maps, self.offset_maps]
        return {"backbone": self.backbone, "heads": nn.ModuleList(heads)}

    def forward(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> tuple[Proposals, Float[Tensor, "n outputs"], Float[Tensor, "n outputs 4"]]:
        """Propose regions; compute logits and offsets of each, image by image."""
        maps, proposed = self._propose(images)
        return proposed, *self._classify(maps, proposed.regions)

    def _propose(self, images: Tensor) -> tuple[Float[Tensor, "b width rows columns"], Proposals]:
        """Compute the map before the score maps, and propose regions."""
        padded = self.pad(images)
        maps = self.backbone(padded)
        size = images.shape[-2], images.shape[-1]
        return self.reduced(maps[-1]), self.proposals(padded, maps[:1], size)

    def _classify(
        self, features: Float[Tensor, "b width rows columns"], regions: Sequence[Tensor]
    ) -> tuple[Float[Tensor, "n outputs"], Float[Tensor, "n outputs 4"]]:
        """Compute logits and offsets of all regions; the offsets of all classes are equal."""
        bins, stride = self.bins, self.strides[-1]
        logits = vote(self.score_maps(features), regions, bins, stride)
        offsets = vote(self.offset_maps(features), regions, bins, stride).reshape(-1, BOXES, 4)
        return logits, offsets[:, [BACKGROUND, *[OBJECT] * len(self.class_names)]]

    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        """Compute losses of anchors, and of each image's regions with the greatest loss (§2.2)."""
        del prepared
        objects = [objects_of(truth, batch.images.device) for truth in batch.truths]
        features, proposed = self._propose(batch.images)
        labelled = [
            label_regions(
                with_truths(regions, shown),
                shown,
                self.positive_iou,
                (0.0, self.positive_iou),
            )
            for regions, shown in zip(proposed.regions, objects, strict=True)
        ]
        logits, offsets = self._classify(features, [regions.regions for regions in labelled])
        losses = losses_of_hardest(logits, offsets, labelled, self.hardest)
        size = batch.images.shape[-2], batch.images.shape[-1]
        return with_proposal_losses(losses, proposed, objects, size, self.proposals.sampling)

    def score_boxes(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """Score every proposal for every class, at its decoded box."""
        proposed, logits, offsets = self(images)
        return score_regions(
            proposed.regions,
            logits,
            offsets,
            (images.shape[-2], images.shape[-1]),
            self.postprocess_options.score_threshold,
        )


def vote(
    maps: Float[Tensor, "b maps rows columns"],
    regions: Sequence[Float[Tensor, "_ 4"]],
    bins: int,
    stride: int,
) -> Float[Tensor, "n outputs"]:
    """Average over the bins × bins parts of each region (§2.2, equations 1 and 2).

    Part (i, j) of output c is averaged from the map (c · bins + i) · bins + j alone. Corners are
    rounded to whole cells, as torchvision does it; the authors' layer begins and ends between them.
    """
    # torchvision (0.29) ignores the last row and the last column of its input.
    padded = F.pad(maps, (0, 1, 0, 1))
    parts: Tensor = ps_roi_pool(padded, list(regions), bins, 1 / stride)
    return parts.mean(dim=(2, 3))


def losses_of_hardest(
    logits: Float[Tensor, "n columns"],
    offsets: Float[Tensor, "n columns 4"],
    labelled: Sequence[LabelledRegions],
    number: int,
) -> Losses:
    """Mine hard examples (OHEM, Shrivastava et al. 2016): only those have a loss."""
    together = LabelledRegions(*(torch.cat(parts) for parts in zip(*labelled, strict=True)))
    costs = region_costs(logits, offsets_of_label(offsets, together.labels), together)
    numbers = [len(of_image.labels) for of_image in labelled]
    starts = [sum(numbers[:index]) for index in range(len(numbers))]
    mined = [
        start + hardest_regions(of_image, number)
        for start, of_image in zip(
            starts,
            (costs.classification + costs.localization).split_with_sizes(numbers),
            strict=True,
        )
    ]
    picked, numbers = torch.cat(mined), [len(indices) for indices in mined]
    sums = {
        "localization": sum_over_images(costs.localization[picked], numbers),
        "classification": sum_over_images(costs.classification[picked], numbers),
    }
    num_matches = int(together.positive[picked].sum())
    return Losses.of(sums, weight=len(labelled), num_matches=num_matches)


def hardest_regions(costs: Float[Tensor, " n"], number: int) -> Int[Tensor, " picked"]:
    """Return the indices of the at most `number` regions with the greatest cost."""
    return costs.detach().topk(min(number, len(costs))).indices
