"""The SSD: backbone, pyramid and heads over a fixed set of priors (paper §2)."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from singleshot.backbones.backbone import Backbone, grids
from singleshot.detectors.common.postprocess import PostprocessOptions
from singleshot.detectors.common.resize import resize
from singleshot.detectors.common.settings import PixelSettings
from singleshot.detectors.detector import LevelSummary, Losses, Prepared, TrainableDetector
from singleshot.detectors.ssd.heads import Heads
from singleshot.detectors.ssd.losses.objective import objective
from singleshot.detectors.ssd.matching.targets import (
    Matched,
    Outputs,
    PreparedMatches,
    match_by_place,
    match_priors,
)
from singleshot.detectors.ssd.postprocess import (
    RawOutputs,
    concatenate_outputs,
    postprocess,
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
    settings: SsdSettings
    priors_cxcywh_unit: Float[Tensor, "priors 4"]

    def __init__(
        self, backbone: Backbone, class_names: Sequence[str], settings: SsdSettings
    ) -> None:
        pixels = settings.pixels or PixelSettings(mean=backbone.pixel_mean, std=backbone.pixel_std)
        super().__init__(class_names, pixels)
        self.settings = settings
        self.backbone = backbone
        self.pyramid = Pyramid.from_settings(settings.pyramid, backbone.channels)
        priors = Priors.from_settings(settings.priors, self.level_grids(), settings.input)
        self.levels = priors.levels
        self.heads = Heads.from_settings(
            settings.heads,
            self.pyramid.channels,
            [level.num_priors_per_cell for level in self.levels],
            len(class_names),
        )
        if settings.loss.is_focal:
            self.heads.start_improbable()
        # No buffer: it stays where truths are, wherever the model goes.
        self.host_priors = priors.boxes_cxcywh_unit
        # They follow from the recipe: a checkpoint need not hold them.
        self.register_buffer("priors_cxcywh_unit", priors.boxes_cxcywh_unit, persistent=False)

    @property
    def num_boxes(self) -> int:
        """As many as there are priors."""
        return len(self.priors_cxcywh_unit)

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """What DSSD freezes in its first stage, and the rest."""
        pyramid = self.pyramid
        return {
            "backbone": self.backbone,
            "extra": pyramid.extra,
            "top_down": pyramid.top_down,
            "heads": self.heads,
        }

    def class_tensors(self) -> Sequence[str]:
        """Name weights and biases of the last convolution of each level's class outputs."""
        names = []
        for level, head in enumerate(self.heads.logits):
            layers = [(name, m) for name, m in head.named_modules() if isinstance(m, nn.Conv2d)]
            name, convolution = layers[-1]
            prefix = ".".join(filter(None, ["heads.logits", str(level), name]))
            names += [f"{prefix}.{kind}" for kind, _ in convolution.named_parameters()]
        return names

    def level_summaries(self) -> Sequence[LevelSummary]:
        """Describe each feature map and its priors, finest first."""
        return [
            LevelSummary(level.grid, level.stride, channels, level.num_priors_per_cell)
            for level, channels in zip(self.levels, self.pyramid.channels, strict=True)
        ]

    def prior_sizes(self) -> Float[Tensor, " priors"]:
        """Return the square roots of the areas of priors, in pixels of the input."""
        height, width = self.settings.input
        return (self.priors_cxcywh_unit[:, 2:].prod(dim=1) * height * width).sqrt()

    def level_grids(self) -> list[tuple[int, int]]:
        """(rows, columns) of each level, found by trial."""
        maps = nn.Sequential(self.backbone, self.pyramid)
        try:
            return grids(maps, torch.zeros(1, 3, *self.settings.input))
        except (RuntimeError, AssertionError) as error:  # timm asserts the sizes it can take
            raise ModelError(
                f"the network cannot take model.input = {list(self.settings.input)}: {error}; a "
                f"larger input, fewer model.pyramid.extra or another backbone may help"
            ) from error

    def forward(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b priors 4"], Float[Tensor, "b priors columns"]]:
        """Offsets and logits of RGB images of the input size, with values from 0 to 255."""
        outputs: tuple[Tensor, Tensor] = self.heads(
            self.pyramid(self.backbone(self.normalised(images)))
        )
        return outputs

    def prepare(self, truths: Sequence[Truth]) -> Prepared | None:
        """Match objects to priors on the host; None for rules that need the outputs as well."""
        matches = match_by_place(truths, self.host_priors, self.levels, self.settings)
        return None if matches is None else PreparedMatches(len(matches.prior), matches)

    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        """Compute the MultiBox loss of images of the input size, in float32."""
        return self.losses_of(*self.match(batch, prepared))

    def losses_of(self, outputs: Outputs, matched: Matched) -> Losses:
        """Compute the MultiBox loss of outputs that are matched."""
        return objective(outputs, matched, self.priors_cxcywh_unit, self.settings)

    def match(self, batch: Batch, prepared: Prepared | None = None) -> tuple[Outputs, Matched]:
        """Run the network, and match its priors unless `prepare` has done it."""
        outputs = Outputs(*(output.float() for output in self(batch.images)))
        known = prepared.matches if isinstance(prepared, PreparedMatches) else None
        priors, settings = self.priors_cxcywh_unit, self.settings
        matched = match_priors(batch.truths, outputs, priors, self.levels, settings, known=known)
        return outputs, matched

    @torch.inference_mode()
    def detect(self, images: Sequence[UInt8[Tensor, "3 _h _w"]]) -> list[Detections]:
        """Findings for each image, boxes in its own pixels; sizes may differ."""
        assert not self.training, "batch norm would use the statistics of these very images"
        if not images:
            return []
        resized = self.resized(images)
        outputs = self.said(resized)
        if self.settings.results.flip_tta:
            outputs = concatenate_outputs(outputs, unflip_outputs(self.said(resized.flip(-1))))
        return postprocess(
            *outputs,
            [(image.shape[1], image.shape[2]) for image in images],
            scores=self.heads.scores,
            unused_columns=self.heads.unused_columns,
            offset_scales=self.settings.priors.offset_scales,
            options=PostprocessOptions.from_settings(self.settings.results),
        )

    def said(self, images: Float[Tensor, "b 3 h w"]) -> RawOutputs:
        """Raw outputs and their priors; float32, whatever the precision."""
        offsets, logits = self(images)
        return RawOutputs(offsets.float(), logits.float(), self.priors_cxcywh_unit)

    def resized(
        self, images: Sequence[UInt8[Tensor, "3 _h _w"]]
    ) -> Float[Tensor, "b 3 rows columns"]:
        """Images at the input size; their aspect ratio is not kept, as in the paper."""
        device, settings = self.pixel_mean.device, self.settings
        return torch.stack(
            [resize(image.to(device), settings.input, settings.resize) for image in images]
        )
