"""The feature maps above the backbone's, each smaller than the one below (paper §2.1)."""

from collections.abc import Sequence

from torch import Tensor, nn

from singleshot.backbones.initial import caffe_xavier, small_normal
from singleshot.detectors.ssd.deconvolution import Deconvolutions, Shrinking, shrinking_by
from singleshot.detectors.ssd.residual import ResidualBlock
from singleshot.detectors.ssd.separable import depthwise, pointwise, projection
from singleshot.detectors.ssd.settings import ExtraLevel, PyramidSettings
from singleshot.detectors.ssd.top_down import TopDown

__all__ = ["Pyramid"]


class Pyramid(nn.Module):
    """Appends the extra levels to a backbone's feature maps, and lets all levels speak."""

    def __init__(self, channels: Sequence[int], settings: PyramidSettings) -> None:
        """`channels` are those of the backbone's feature maps."""
        super().__init__()
        below = [channels[-1], *(level.channels for level in settings.extra)]
        self.extra = nn.ModuleList(
            extra_level(in_channels, level, settings)
            for in_channels, level in zip(below, settings.extra, strict=False)
        )
        if settings.block != "residual":  # those have what their authors gave them
            self.apply(caffe_xavier if settings.block == "plain" else small_normal)
        self.channels: tuple[int, ...] = (*channels, *below[1:])
        self.top_down: nn.Module = nn.Identity()
        width = settings.top_down
        if width and settings.top_down_block == "product":
            # A backbone's levels halve.
            shrinking = [*(Shrinking() for _ in channels[1:]), *map(shrinking_by, settings.extra)]
            self.top_down = Deconvolutions(self.channels, width, shrinking)
            self.channels = (*(width for _ in self.channels[1:]), self.channels[-1])
        elif width:
            self.top_down = TopDown(self.channels, width)
            self.channels = (width,) * len(self.channels)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """One feature map for each entry of `channels`."""
        features = list(features)
        for level in self.extra:
            features.append(level(features[-1]))
        levels: list[Tensor] = self.top_down(features)
        return levels


def extra_level(in_channels: int, level: ExtraLevel, settings: PyramidSettings) -> nn.Module:
    match settings.block:
        case "separable":
            return separable_level(in_channels, level, settings)
        case "inverted":
            return inverted_level(in_channels, level, settings)
        case "residual":
            return residual_level(in_channels, level)
    return plain_level(in_channels, level)


def plain_level(in_channels: int, level: ExtraLevel) -> nn.Sequential:
    """The paper's: 1 × 1, then usually 3 × 3 with stride 2."""
    return nn.Sequential(
        nn.Conv2d(in_channels, level.squeeze, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(level.squeeze, level.channels, level.kernel, level.stride, level.padding),
        nn.ReLU(inplace=True),
    )


def separable_level(
    in_channels: int, level: ExtraLevel, settings: PyramidSettings
) -> nn.Sequential:
    """SSDLite's: the 3 × 3 convolution is depthwise."""
    norm, activation = settings.batch_norm, settings.activation
    return nn.Sequential(
        pointwise(in_channels, level.squeeze, batch_norm=norm, activation=activation),
        squeezed(level, settings),
        pointwise(level.squeeze, level.channels, batch_norm=norm, activation=activation),
    )


def inverted_level(in_channels: int, level: ExtraLevel, settings: PyramidSettings) -> nn.Sequential:
    """MobileNetV2's, linear at the end (§3.3); a level that shrinks has nothing to add back."""
    norm, activation = settings.batch_norm, settings.activation
    return nn.Sequential(
        pointwise(in_channels, level.squeeze, batch_norm=norm, activation=activation),
        squeezed(level, settings),
        projection(level.squeeze, level.channels, batch_norm=norm),
    )


def residual_level(in_channels: int, level: ExtraLevel) -> ResidualBlock:
    """DSSD's: kernel, stride and padding are those of its first convolutions."""
    return ResidualBlock(
        in_channels,
        level.squeeze,
        level.channels,
        kernel=level.kernel,
        stride=level.stride,
        padding=shrinking_by(level).padding,
    )


def squeezed(level: ExtraLevel, settings: PyramidSettings) -> nn.Sequential:
    return depthwise(
        level.squeeze,
        level.kernel,
        stride=level.stride,
        padding=level.padding,
        batch_norm=settings.batch_norm,
        activation=settings.activation,
    )
