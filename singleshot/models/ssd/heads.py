"""What predicts, at each place of each level, the offsets and logits of its priors (paper §2.1)."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from singleshot.errors import ModelError
from singleshot.models.initial import caffe_xavier, small_normal
from singleshot.models.ssd.separable import depthwise
from singleshot.recipes.model import HeadSettings

__all__ = ["Heads"]

PRIOR_PROBABILITY = 0.01  # of each class at each prior, before anything is learned


class Heads(nn.Module):
    """Two convolutions for each level."""

    def __init__(
        self,
        channels: Sequence[int],
        num_priors: Sequence[int],
        num_classes: int,
        settings: HeadSettings,
    ) -> None:
        """`num_priors` at one place of each level."""
        super().__init__()
        kernels = settings.kernels or (3,) * len(channels)
        if len(kernels) != len(channels):
            raise ModelError(
                f"model.heads.kernels has {len(kernels)} entries for {len(channels)} levels"
            )
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
        self.apply(small_normal if settings.block == "separable" else caffe_xavier)

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
    return nn.Conv2d(in_channels, channels, kernel, padding=kernel // 2)


def prior_major(
    outputs: Float[Tensor, "b channels h w"], width: int
) -> Float[Tensor, "b priors width"]:
    """Row by row, cell by cell, prior by prior."""
    return outputs.permute(0, 2, 3, 1).reshape(len(outputs), -1, width)
