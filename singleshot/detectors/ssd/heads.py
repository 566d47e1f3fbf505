"""What predicts, at each place of each level, the offsets and logits of its priors (paper §2.1)."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from singleshot.backbones.initial import caffe_xavier, small_normal
from singleshot.detectors.ssd.residual import ResidualBlock, normalised
from singleshot.detectors.ssd.separable import depthwise
from singleshot.detectors.ssd.settings import HeadSettings
from singleshot.errors import ModelError

__all__ = ["Heads"]

# A prediction module gives four times the channels it has within, as ResNet's blocks do.
EXPANSION = 4

PRIOR_PROBABILITY = 0.01  # of each class at each prior, before anything is learned


class Heads(nn.Module):
    """Two convolutions for each level; in DSSD on a residual block that both look at."""

    def __init__(
        self,
        channels: Sequence[int],
        num_priors: Sequence[int],
        num_classes: int,
        settings: HeadSettings,
    ) -> None:
        """`num_priors` at one place of each level."""
        super().__init__()
        kernels = for_each_level(settings.kernels, 3, len(channels), key="kernels")
        self.prediction = nn.ModuleList(nn.Identity() for _ in channels)
        if settings.block == "residual":
            squeeze = for_each_level(settings.squeeze, 256, len(channels), key="squeeze")
            self.prediction = nn.ModuleList(
                ResidualBlock(width_in, within, EXPANSION * within)
                for width_in, within in zip(channels, squeeze, strict=True)
            )
            channels = [EXPANSION * within for within in squeeze]
        levels = list(zip(channels, num_priors, kernels, strict=True))
        self.num_columns = num_classes
        if settings.scores == "softmax":
            # Classes that compete need one that means "nothing here".
            self.num_columns += 1 + settings.unused_columns

        def predictors(width: int) -> nn.ModuleList:
            return nn.ModuleList(
                predictor(channels, width * priors, kernel, settings)
                for channels, priors, kernel in levels
            )

        self.offsets, self.logits = predictors(4), predictors(self.num_columns)
        if settings.block == "separable":
            self.apply(small_normal)

    def start_rare(self) -> None:
        """Let every class be improbable at first (Lin et al. 2017, "Focal Loss", §4.1).

        Otherwise thousands of negatives would make up the whole loss of the first steps.
        """
        for head in self.logits:
            last = [module for module in head.modules() if isinstance(module, nn.Conv2d)][-1]
            assert last.bias is not None
            nn.init.constant_(last.bias, math.log(PRIOR_PROBABILITY / (1 - PRIOR_PROBABILITY)))

    def forward(
        self, features: list[Tensor]
    ) -> tuple[Float[Tensor, "b priors 4"], Float[Tensor, "b priors columns"]]:
        """Offsets and logits of all priors, in the priors' order."""
        features = [
            module(feature) for module, feature in zip(self.prediction, features, strict=True)
        ]
        offsets = [
            prior_major(head(feature), 4)
            for head, feature in zip(self.offsets, features, strict=True)
        ]
        logits = [
            prior_major(head(feature), self.num_columns)
            for head, feature in zip(self.logits, features, strict=True)
        ]
        return torch.cat(offsets, dim=1), torch.cat(logits, dim=1)


def predictor(in_channels: int, channels: int, kernel: int, settings: HeadSettings) -> nn.Module:
    """One convolution; SSDLite's is depthwise, then 1 × 1, unless it sees one place alone."""
    if settings.block == "separable" and kernel > 1:
        return nn.Sequential(
            depthwise(
                in_channels,
                kernel,
                padding=kernel // 2,
                batch_norm=settings.batch_norm,
                activation=settings.activation,
            ),
            nn.Conv2d(in_channels, channels, 1),
        )
    between = settings.between if settings.block == "residual" else 0
    convolution = nn.Conv2d(between or in_channels, channels, kernel, padding=kernel // 2)
    caffe_xavier(convolution)
    if not between:
        return convolution
    return nn.Sequential(
        normalised(in_channels, between, 3, padding=1), nn.ReLU(inplace=True), convolution
    )


def for_each_level(
    entries: Sequence[int], default: int, num_levels: int, *, key: str
) -> Sequence[int]:
    if len(entries) not in {0, num_levels}:
        raise ModelError(f"model.heads.{key} has {len(entries)} entries for {num_levels} levels")
    return entries or (default,) * num_levels


def prior_major(
    outputs: Float[Tensor, "b channels h w"], width: int
) -> Float[Tensor, "b priors width"]:
    """Row by row, cell by cell, prior by prior."""
    return outputs.permute(0, 2, 3, 1).reshape(len(outputs), -1, width)
