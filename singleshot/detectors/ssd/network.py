"""The SSD: backbone, pyramid and heads over a fixed set of priors (paper §2)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from singleshot.backbones.backbone import Backbone, grids
from singleshot.boxes.geometry import from_unit, to_corners
from singleshot.detectors.common.exportable import Exportable
from singleshot.detectors.common.postprocess import PAPER_POSTPROCESSING, PostprocessOptions
from singleshot.detectors.common.priors import (
    MinedNegatives,
    PriorLayout,
    PriorLevel,
    PriorMatches,
)
from singleshot.detectors.common.resize import resize
from singleshot.detectors.common.settings import PixelSettings, Resize
from singleshot.detectors.common.single_size import pixel_statistics
from singleshot.detectors.detector import LevelSummary, Losses, Prepared, TrainableDetector
from singleshot.detectors.ssd.exportable import export_form
from singleshot.detectors.ssd.heads import Heads
from singleshot.detectors.ssd.loss import PAPER_LOSS, LossOptions, mined_negatives, multibox_loss
from singleshot.detectors.ssd.matching import (
    PAPER_MATCHING,
    Matched,
    MatchingOptions,
    PreparedMatches,
    SsdOutputs,
    match_by_place,
    match_priors,
)
from singleshot.detectors.ssd.postprocess import (
    RawOutputs,
    concatenate_outputs,
    postprocess,
    scores_and_ceiling,
    unflip_outputs,
)
from singleshot.detectors.ssd.priors import Priors
from singleshot.detectors.ssd.pyramid import Pyramid
from singleshot.detectors.ssd.settings import SsdSettings
from singleshot.errors import ModelError
from singleshot.structures import Batch, Detections, Truth

__all__ = ["Ssd"]


class Ssd(TrainableDetector):
    """Single Shot MultiBox Detector."""

    fixed_graph: ClassVar[bool] = True
    priors_cxcywh_unit: Float[Tensor, "priors 4"]

    def __init__(
        self,
        backbone: Backbone,
        class_names: Sequence[str],
        pyramid: Pyramid,
        heads: Heads,
        priors: Priors,
        *,
        pixels: PixelSettings | None = None,
        resize: Resize = "antialias",
        matching: MatchingOptions = PAPER_MATCHING,
        loss: LossOptions = PAPER_LOSS,
        postprocessing: PostprocessOptions = PAPER_POSTPROCESSING,
        flip_tta: bool = False,
    ) -> None:
        """Each level of the pyramid has its priors and its heads.

        `pixels` are the mean and deviation that images are normalised by; left out, the backbone's.
        """
        super().__init__(class_names, pixel_statistics(backbone, pixels))
        self.backbone = backbone
        self.pyramid = pyramid
        self.heads = heads
        # On the host, where ground truth is, wherever the module goes.
        self.priors = priors
        # They follow from the recipe: a checkpoint need not hold them.
        self.register_buffer("priors_cxcywh_unit", priors.boxes_cxcywh_unit, persistent=False)
        self.resize = resize
        self.matching_options = matching
        self.loss_options = loss
        self.postprocess_options = postprocessing
        self.flip_tta = flip_tta

    @classmethod
    def from_settings(
        cls, settings: SsdSettings, backbone: Backbone, class_names: Sequence[str]
    ) -> "Ssd":
        """Build the detector that a recipe describes; weights other than the backbone's are random.

        Raises ModelError if the network cannot take the input size, or has other levels than the
        recipe has priors for.
        """
        pyramid = Pyramid.from_settings(settings.pyramid, backbone.channels)
        level_grids = _find_grids(backbone, pyramid, settings.input)
        priors = Priors.from_settings(settings.priors, level_grids, settings.input)
        per_cell = [level.num_priors_per_cell for level in priors.levels]
        heads = Heads.from_settings(settings.heads, pyramid.channels, per_cell, len(class_names))
        if settings.loss.is_focal:
            heads.start_improbable()
        return cls(
            backbone,
            class_names,
            pyramid,
            heads,
            priors,
            pixels=settings.pixels,
            resize=settings.resize,
            matching=MatchingOptions.from_settings(settings.matching),
            loss=LossOptions.from_settings(settings.loss, settings.matching),
            postprocessing=PostprocessOptions.from_settings(settings.results),
            flip_tta=settings.results.flip_tta,
        )

    @property
    def num_boxes(self) -> int:
        """The number of priors."""
        return len(self.priors_cxcywh_unit)

    @property
    def levels(self) -> Sequence[PriorLevel]:
        """The priors level by level, finest first."""
        return self.priors.levels

    @property
    def priors_on_device(self) -> Priors:
        """The priors where the network is."""
        return self.priors._replace(boxes_cxcywh_unit=self.priors_cxcywh_unit)

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The parts that DSSD freezes in its first stage, and the rest."""
        pyramid = self.pyramid
        return {
            "backbone": self.backbone,
            "extra": pyramid.extra,
            "top_down": pyramid.top_down,
            "heads": self.heads,
        }

    def class_tensors(self) -> Sequence[str]:
        """Name weights and biases of the last convolution of each level's class outputs."""
        return [
            f"heads.{name}.{kind}"
            for name, convolution in self.heads.class_layers()
            for kind, _ in convolution.named_parameters()
        ]

    def level_summaries(self) -> Sequence[LevelSummary]:
        """Describe each feature map and its priors, finest first."""
        return [
            LevelSummary(
                level.grid,
                level.stride,
                channels,
                priors := level.num_priors_per_cell,
                box_channels=4 * priors,
                class_channels=self.heads.num_columns * priors,
            )
            for level, channels in zip(self.levels, self.pyramid.channels, strict=True)
        ]

    def exportable(self) -> Exportable:
        """Copy the network and the numbers that exporters need."""
        return export_form(self)

    def prior_layout(self) -> PriorLayout:
        """Return the priors level by level."""
        boxes = to_corners(from_unit(self.priors.boxes_cxcywh_unit, self.priors.size))
        return PriorLayout(self.priors.levels, self.priors.size, boxes)

    @torch.no_grad()
    def match_objects(self, batch: Batch) -> PriorMatches:
        """Match objects to priors; the network runs only for a rule that needs its outputs."""
        known = match_by_place(batch.truths, self.priors, self.matching_options)
        found = self.match(batch)[1] if known is None else known
        boxes = from_unit(found.boxes_unit, self.priors.size)
        return PriorMatches(found.image.cpu(), found.prior.cpu(), boxes.cpu())

    @torch.no_grad()
    def mine_negatives(self, batch: Batch) -> MinedNegatives | None:
        """Choose the hard negatives of the loss; None for losses of all priors."""
        if self.loss_options.classification != "mined":
            return None
        outputs, matched = self.match(batch)
        logits = outputs.logits
        positive = torch.zeros(logits.shape[:2], dtype=torch.bool, device=logits.device)
        positive[matched.image, matched.prior] = True
        mined = mined_negatives(
            logits,
            positive,
            scores=self.heads.scores,
            ratio=self.loss_options.negatives_per_positive,
            at_least=self.loss_options.min_negatives,
        )
        image, prior = mined.nonzero(as_tuple=True)
        of_classes, _ = scores_and_ceiling(logits, self.heads.scores, self.heads.unused_columns)
        score, label = of_classes[image, prior].max(dim=1)
        order = score.argsort(descending=True, stable=True)
        columns = (image, prior, score, label)
        return MinedNegatives(*(column[order].cpu() for column in columns))

    def forward(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b priors 4"], Float[Tensor, "b priors columns"]]:
        """Predict offsets and logits in RGB images of the input size, with values up to 255."""
        outputs: tuple[Tensor, Tensor] = self.heads(
            self.pyramid(self.backbone(self.normalise(images)))
        )
        return outputs

    def prepare(self, truths: Sequence[Truth]) -> Prepared | None:
        """Match objects to priors on the host; None for rules that need the outputs as well."""
        matches = match_by_place(truths, self.priors, self.matching_options)
        return None if matches is None else PreparedMatches(len(matches.prior), matches)

    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        """Compute the MultiBox loss of images of the input size, in float32."""
        return self.losses_of(*self.match(batch, prepared))

    def losses_of(self, outputs: SsdOutputs, matched: Matched) -> Losses:
        """Compute the MultiBox loss of outputs that are matched."""
        scores = self.heads.scores
        return multibox_loss(
            outputs, matched, self.priors_on_device, self.loss_options, scores=scores
        )

    def match(self, batch: Batch, prepared: Prepared | None = None) -> tuple[SsdOutputs, Matched]:
        """Run the network, and match its priors unless `prepare` has done it."""
        outputs = SsdOutputs(*(output.float() for output in self(batch.images)))
        matched = match_priors(
            batch.truths,
            outputs,
            self.priors_on_device,
            self.matching_options,
            scores=self.heads.scores,
            unused_columns=self.heads.unused_columns,
            known=prepared.matches if isinstance(prepared, PreparedMatches) else None,
        )
        return outputs, matched

    def detect_tensors(self, images: Sequence[UInt8[Tensor, "3 _h _w"]]) -> list[Detections]:
        """Detect objects in images of any sizes; boxes are in pixels of their own image."""
        resized = self.resize_images(images)
        outputs = self.raw_outputs(resized)
        if self.flip_tta:
            flipped = self.raw_outputs(resized.flip(-1))
            outputs = concatenate_outputs(outputs, unflip_outputs(flipped))
        found = postprocess(
            *outputs,
            [(image.shape[1], image.shape[2]) for image in images],
            scores=self.heads.scores,
            unused_columns=self.heads.unused_columns,
            offset_scales=self.priors.offset_scales,
            options=self.postprocess_options,
        )
        if not self.flip_tta:
            return found
        # Outputs for flipped images come second: their priors have the same numbers.
        number = self.num_boxes
        return [
            one if one.priors is None else replace(one, priors=one.priors % number) for one in found
        ]

    def raw_outputs(self, images: Float[Tensor, "b 3 h w"]) -> RawOutputs:
        """Run the network on images of the input size; float32, whatever the precision."""
        offsets, logits = self(images)
        return RawOutputs(offsets.float(), logits.float(), self.priors_cxcywh_unit)

    def resize_images(
        self, images: Sequence[UInt8[Tensor, "3 _h _w"]]
    ) -> Float[Tensor, "b 3 rows columns"]:
        """Resize images to the input size; their aspect ratio is not kept, as in the paper."""
        device = self.pixel_mean.device
        return torch.stack(
            [resize(image.to(device), self.priors.size, self.resize) for image in images]
        )


def _find_grids(
    backbone: Backbone, pyramid: Pyramid, size: tuple[int, int]
) -> list[tuple[int, int]]:
    """Find (rows, columns) of each level by a trial on an empty image.

    Raises ModelError if the network cannot take images of this (height, width).
    """
    try:
        return grids(nn.Sequential(backbone, pyramid), torch.zeros(1, 3, *size))
    except (RuntimeError, AssertionError) as error:  # timm asserts the sizes it can take
        raise ModelError(
            f"the network cannot take model.input = {list(size)}: {error}; a larger input, fewer "
            f"model.pyramid.extra or another backbone may help"
        ) from error
