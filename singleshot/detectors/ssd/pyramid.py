"""The pyramid: feature maps above the backbone's, each smaller than the one below (paper §2.1).

Later networks add a path from coarse levels to fine ones: `TopDown`, or DSSD's `Deconvolutions`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import assert_never

from singleshot.backbones.initial import caffe_xavier, small_normal
from singleshot.detectors.ssd.dssd import Deconvolutions, Downsampling, ResidualBlock
from singleshot.detectors.ssd.heads import SSDLITE, Separable
from singleshot.detectors.ssd.settings import PyramidBlock, PyramidSettings, TopDownBlock

__all__ = ["ExtraLevel", "Pyramid", "TopDown", "repeat_cells"]


@dataclass(frozen=True, slots=True)
class ExtraLevel:
    """One feature map above the backbone's: a 1 × 1 convolution, then usually a 3 × 3 one."""

    squeeze: int  # channels between the two convolutions
    channels: int
    kernel: int = 3  # of the second convolution, as are stride and padding
    stride: int = 2
    padding: int | Literal["same"] = 1  # "same": as TensorFlow pads

    @property
    def downsampling(self) -> Downsampling:
        """The second convolution with a number for its padding."""
        # TensorFlow's "same" has no fixed number; half the kernel leaves at most a row to fill.
        padding = (self.kernel - 1) // 2 if self.padding == "same" else self.padding
        return Downsampling(self.kernel, self.stride, padding)


class Pyramid(nn.Module):
    """Appends extra levels to a backbone's feature maps, and connects coarse levels to fine."""

    channels: tuple[int, ...]  # of each level

    def __init__(
        self,
        channels: Sequence[int],
        extra: Sequence[ExtraLevel] = (),
        *,
        block: PyramidBlock = "plain",
        separable: Separable = SSDLITE,
        top_down: int = 0,
        top_down_block: TopDownBlock = "sum",
    ) -> None:
        """`channels` are those of the backbone's feature maps.

        `separable` are the layers of separable and inverted blocks. `top_down` is the width of a
        top-down path, 0: none.
        """
        super().__init__()
        below = [channels[-1], *(level.channels for level in extra)]
        self.extra = nn.ModuleList(
            _build_level(in_channels, level, block, separable)
            for in_channels, level in zip(below, extra, strict=False)
        )
        if block != "residual":  # those have their authors' own
            self.apply(caffe_xavier if block == "plain" else small_normal)
        self.channels = (*channels, *below[1:])
        self.top_down: nn.Module = nn.Identity()
        if not top_down:
            return
        match top_down_block:
            case "sum":
                self.top_down = TopDown(self.channels, top_down)
                self.channels = (top_down,) * len(self.channels)
            case "product":
                # A backbone's levels halve.
                between = [
                    *(Downsampling() for _ in channels[1:]),
                    *(level.downsampling for level in extra),
                ]
                self.top_down = Deconvolutions(self.channels, top_down, between)
                self.channels = (*(top_down for _ in self.channels[1:]), self.channels[-1])
            case _:
                assert_never(top_down_block)

    @classmethod
    def from_settings(cls, settings: PyramidSettings, channels: Sequence[int]) -> "Pyramid":
        """Build the pyramid that `model.pyramid` describes over a backbone's `channels`."""
        return cls(
            channels,
            [
                ExtraLevel(each.squeeze, each.channels, each.kernel, each.stride, each.padding)
                for each in settings.extra
            ],
            block=settings.block,
            separable=Separable(settings.batch_norm, settings.activation),
            top_down=settings.top_down,
            top_down_block=settings.top_down_block,
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Compute one feature map for each entry of `channels`."""
        features = list(features)
        for level in self.extra:
            features.append(level(features[-1]))
        levels: list[Tensor] = self.top_down(features)
        return levels


def _build_level(
    in_channels: int, level: ExtraLevel, block: PyramidBlock, separable: Separable
) -> nn.Module:
    """Build the layers between one level and the next."""
    match block:
        case "plain":
            return plain_level(in_channels, level)
        case "separable":
            return separable_level(in_channels, level, separable)
        case "inverted":
            return inverted_level(in_channels, level, separable)
        case "residual":
            return residual_level(in_channels, level)
        case _:
            assert_never(block)


def plain_level(in_channels: int, level: ExtraLevel) -> nn.Sequential:
    """Build the paper's level: 1 × 1, then usually 3 × 3 with stride 2."""
    return nn.Sequential(
        nn.Conv2d(in_channels, level.squeeze, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(level.squeeze, level.channels, level.kernel, level.stride, level.padding),
        nn.ReLU(inplace=True),
    )


def separable_level(in_channels: int, level: ExtraLevel, layers: Separable) -> nn.Sequential:
    """Build SSDLite's level: the 3 × 3 convolution is depthwise."""
    return nn.Sequential(
        layers.pointwise(in_channels, level.squeeze),
        layers.depthwise(level.squeeze, level.kernel, stride=level.stride, padding=level.padding),
        layers.pointwise(level.squeeze, level.channels),
    )


def inverted_level(in_channels: int, level: ExtraLevel, layers: Separable) -> nn.Sequential:
    """Build MobileNetV2's inverted block, linear at the end (§3.3); it shrinks: no shortcut."""
    return nn.Sequential(
        layers.pointwise(in_channels, level.squeeze),
        layers.depthwise(level.squeeze, level.kernel, stride=level.stride, padding=level.padding),
        layers.projection(level.squeeze, level.channels),
    )


def residual_level(in_channels: int, level: ExtraLevel) -> ResidualBlock:
    """Build DSSD's level: kernel, stride and padding are those of its first convolutions."""
    kernel, stride, padding = level.downsampling
    return ResidualBlock(
        in_channels, level.squeeze, level.channels, kernel=kernel, stride=stride, padding=padding
    )


class TopDown(nn.Module):
    """A light feature pyramid network: coarse levels are added to fine ones, all at one width.

    Lin et al. 2017, "Feature Pyramid Networks", §3, with depthwise convolutions after each sum.
    Small objects are detected on fine levels, whose own features are of edges rather than objects.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        """`channels` are those of the input levels."""
        super().__init__()
        layers = SSDLITE
        self.lateral = nn.ModuleList(layers.pointwise(width_in, width) for width_in in channels)
        self.smooth = nn.ModuleList(
            nn.Sequential(layers.depthwise(width), layers.pointwise(width, width))
            for _ in channels[:-1]
        )
        self.apply(small_normal)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Add levels from coarse to fine, on unchanged grids."""
        levels = [lateral(feature) for lateral, feature in zip(self.lateral, features, strict=True)]
        for fine in range(len(levels) - 2, -1, -1):
            coarse = repeat_cells(levels[fine + 1], levels[fine].shape[-2:])
            levels[fine] = self.smooth[fine](levels[fine] + coarse)
        return levels


def repeat_cells(
    coarse: Float[Tensor, "batch channels _h _w"], size: Sequence[int]
) -> Float[Tensor, "batch channels h w"]:
    """Enlarge a level to the (height, width) of the next finer one, as `interpolate`'s "nearest".

    Levels halve a grid and round up. The cell i * n // m of `interpolate` is then i // 2: doubling
    and cutting gives the same, and is what every exporter and NPU knows. Of 3 cells enlarged to 5,
    litert-torch 0.10 takes others than PyTorch, and Vela 5.2 takes whole factors only.
    """
    rows, columns = size
    doubled = all(
        2 * cells - 1 <= enlarged <= 2 * cells
        for cells, enlarged in zip(coarse.shape[-2:], size, strict=True)
    )
    if doubled:
        return F.interpolate(coarse, scale_factor=2, mode="nearest")[..., :rows, :columns]
    return F.interpolate(coarse, (rows, columns), mode="nearest")
