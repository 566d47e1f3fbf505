"""The heads: convolutions that predict offsets and class logits of priors (paper §2.1).

Plain ones are the paper's, separable ones SSDLite's, those on prediction modules DSSD's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from timm.layers import create_conv2d
from torch import Tensor, nn
from typing_extensions import assert_never

from singleshot.backbones.initial import caffe_xavier, small_normal
from singleshot.detectors.ssd.dssd import ResidualBlock, conv_bn
from singleshot.detectors.ssd.settings import Activation, HeadSettings, Scores
from singleshot.errors import ModelError

__all__ = ["SSDLITE", "Heads", "PredictionModules", "Separable"]

# A prediction module has four times as many output channels as within, like ResNet's blocks.
EXPANSION = 4

# Of each class at each prior, before training (Lin et al. 2017, "Focal Loss", §4.1).
INITIAL_PROBABILITY = 0.01


@dataclass(frozen=True, slots=True)
class Separable:
    """SSDLite's layers: depthwise, then 1 × 1 (Sandler et al. 2018, "MobileNetV2", §6.2)."""

    batch_norm: bool = True  # without it convolutions have a bias
    activation: Activation = "relu6"

    def depthwise(
        self, channels: int, kernel: int = 3, *, stride: int = 1, padding: int | Literal["same"] = 1
    ) -> nn.Sequential:
        """Build a convolution within each channel, batch norm and activation."""
        convolution: Any = create_conv2d(
            channels,
            channels,
            kernel,
            stride=stride,
            padding=padding,
            depthwise=True,
            bias=not self.batch_norm,
        )
        return self._normalise(convolution).append(self._activate())

    def pointwise(self, in_channels: int, channels: int) -> nn.Sequential:
        """Build a 1 × 1 convolution, batch norm and activation."""
        return self.projection(in_channels, channels).append(self._activate())

    def projection(self, in_channels: int, channels: int) -> nn.Sequential:
        """Build a 1 × 1 convolution and batch norm: a "linear bottleneck" (MobileNetV2, §3.2)."""
        return self._normalise(nn.Conv2d(in_channels, channels, 1, bias=not self.batch_norm))

    def _normalise(self, convolution: nn.Conv2d) -> nn.Sequential:
        norm = [nn.BatchNorm2d(convolution.out_channels)] if self.batch_norm else []
        return nn.Sequential(convolution, *norm)

    def _activate(self) -> nn.Module:
        return nn.ReLU(inplace=True) if self.activation == "relu" else nn.ReLU6(inplace=True)


SSDLITE = Separable()


@dataclass(frozen=True, slots=True)
class PredictionModules:
    """DSSD's residual blocks between the levels and both their predictors (DSSD §3.1)."""

    squeeze: Sequence[int] = ()  # channels within the block at each level; left out, 256
    between: int = 0  # channels of a 3 × 3 convolution before each predictor; 0: none


Block = Literal["plain"] | Separable | PredictionModules


class Heads(nn.Module):
    """Two convolutions for each level; in DSSD on a residual block that both share."""

    def __init__(
        self,
        channels: Sequence[int],
        priors_per_cell: Sequence[int],
        num_classes: int,
        *,
        block: Block = "plain",
        kernels: Sequence[int] = (),
        scores: Scores = "softmax",
        unused_columns: int = 0,
    ) -> None:
        """`channels`, `priors_per_cell` and `kernels` (left out, 3) have an entry for each level.

        Softmax scores have a column of the background before the classes and `unused_columns`
        after them. Raises ModelError where the entries are not as many as the levels.
        """
        super().__init__()
        self.scores, self.unused_columns = scores, unused_columns
        self.num_columns = num_classes
        if scores == "softmax":
            self.num_columns += 1 + unused_columns
        kernels = _for_each_level(kernels, 3, len(channels), key="kernels")
        self.prediction = nn.ModuleList(nn.Identity() for _ in channels)
        if isinstance(block, PredictionModules):
            squeeze = _for_each_level(block.squeeze, 256, len(channels), key="squeeze")
            self.prediction = nn.ModuleList(
                ResidualBlock(width_in, within, EXPANSION * within)
                for width_in, within in zip(channels, squeeze, strict=True)
            )
            channels = [EXPANSION * within for within in squeeze]
        levels = list(zip(channels, priors_per_cell, kernels, strict=True))

        def predictors(width: int) -> nn.ModuleList:
            return nn.ModuleList(
                _build_predictor(channels, width * priors, kernel, block)
                for channels, priors, kernel in levels
            )

        self.offsets, self.logits = predictors(4), predictors(self.num_columns)
        if isinstance(block, Separable):
            self.apply(small_normal)

    @classmethod
    def from_settings(
        cls,
        settings: HeadSettings,
        channels: Sequence[int],
        priors_per_cell: Sequence[int],
        num_classes: int,
    ) -> "Heads":
        """Build the heads that `model.heads` describes."""
        block: Block
        match settings.block:
            case "plain":
                block = "plain"
            case "separable":
                block = Separable(settings.batch_norm, settings.activation)
            case "residual":
                block = PredictionModules(settings.squeeze, settings.between)
            case _:
                assert_never(settings.block)
        return cls(
            channels,
            priors_per_cell,
            num_classes,
            block=block,
            kernels=settings.kernels,
            scores=settings.scores,
            unused_columns=settings.unused_columns,
        )

    def start_improbable(self) -> None:
        """Set biases such that every class is improbable at first (Lin et al. 2017, §4.1).

        Otherwise thousands of negatives would make up the whole loss of the first steps.
        """
        logit = math.log(INITIAL_PROBABILITY / (1 - INITIAL_PROBABILITY))
        for _, convolution in self.class_layers():
            assert convolution.bias is not None
            nn.init.constant_(convolution.bias, logit)

    def class_layers(self) -> list[tuple[str, nn.Conv2d]]:
        """Return the last convolution of each level's class outputs with its name."""
        last = []
        for level, head in enumerate(self.logits):
            layers = [(name, m) for name, m in head.named_modules() if isinstance(m, nn.Conv2d)]
            name, convolution = layers[-1]
            last.append((".".join(filter(None, ["logits", str(level), name])), convolution))
        return last

    def forward(
        self, features: list[Tensor]
    ) -> tuple[Float[Tensor, "b priors 4"], Float[Tensor, "b priors columns"]]:
        """Predict offsets and logits of all priors, in the priors' order."""
        level_offsets, level_logits = self.level_outputs(features)
        offsets = [_to_priors(outputs, 4) for outputs in level_offsets]
        logits = [_to_priors(outputs, self.num_columns) for outputs in level_logits]
        return torch.cat(offsets, dim=1), torch.cat(logits, dim=1)

    def level_outputs(self, features: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Compute the convolutions (b, channels, rows, columns) of each level: offsets, logits."""
        features = [
            module(feature) for module, feature in zip(self.prediction, features, strict=True)
        ]
        offsets = [head(feature) for head, feature in zip(self.offsets, features, strict=True)]
        logits = [head(feature) for head, feature in zip(self.logits, features, strict=True)]
        return offsets, logits


def _build_predictor(in_channels: int, channels: int, kernel: int, block: Block) -> nn.Module:
    """Build one convolution; SSDLite's is depthwise, then 1 × 1, unless its kernel is 1 × 1."""
    if isinstance(block, Separable) and kernel > 1:
        return nn.Sequential(
            block.depthwise(in_channels, kernel, padding=kernel // 2),
            nn.Conv2d(in_channels, channels, 1),
        )
    between = block.between if isinstance(block, PredictionModules) else 0
    convolution = nn.Conv2d(between or in_channels, channels, kernel, padding=kernel // 2)
    caffe_xavier(convolution)
    if not between:
        return convolution
    return nn.Sequential(
        conv_bn(in_channels, between, 3, padding=1), nn.ReLU(inplace=True), convolution
    )


def _for_each_level(
    entries: Sequence[int], default: int, num_levels: int, *, key: str
) -> Sequence[int]:
    """Return the entries, or the default for each level; raises ModelError if too many or few."""
    if len(entries) not in {0, num_levels}:
        raise ModelError(f"model.heads.{key} has {len(entries)} entries for {num_levels} levels")
    return entries or (default,) * num_levels


def _to_priors(
    outputs: Float[Tensor, "b channels h w"], width: int
) -> Float[Tensor, "b priors width"]:
    """Order outputs row by row, cell by cell, prior by prior."""
    return outputs.permute(0, 2, 3, 1).reshape(len(outputs), -1, width)
