"""The feature maps above the backbone's, each smaller than the one below (paper §2.1)."""

from collections.abc import Sequence

from torch import Tensor, nn

from singleshot.models.backbones.vgg import caffe_xavier
from singleshot.recipes.schema import ExtraLevel, PyramidSettings

__all__ = ["Pyramid", "normalised", "small_normal"]


class Pyramid(nn.Module):
    """Appends the extra levels to a backbone's feature maps."""

    def __init__(self, channels: Sequence[int], settings: PyramidSettings) -> None:
        """`channels` are those of the backbone's feature maps."""
        super().__init__()
        make = plain_level if settings.block == "plain" else separable_level
        below = [channels[-1], *(level.channels for level in settings.extra)]
        self.extra = nn.ModuleList(
            make(in_channels, level) for in_channels, level in zip(below, settings.extra, strict=False)
        )
        self.channels = (*channels, *below[1:])
        self.apply(caffe_xavier if settings.block == "plain" else small_normal)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """The feature maps given, then the extra ones."""
        features = list(features)
        for level in self.extra:
            features.append(level(features[-1]))
        return features


def plain_level(in_channels: int, level: ExtraLevel) -> nn.Sequential:
    """The paper's: 1 × 1, then usually 3 × 3 with stride 2."""
    return nn.Sequential(
        nn.Conv2d(in_channels, level.squeeze, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(level.squeeze, level.channels, level.kernel, level.stride, level.padding),
        nn.ReLU(inplace=True),
    )


def separable_level(in_channels: int, level: ExtraLevel) -> nn.Sequential:
    """SSDLite's: 1 × 1, depthwise, 1 × 1 (Sandler et al. 2018, §6.2)."""
    return nn.Sequential(
        *normalised(in_channels, level.squeeze),
        *normalised(
            level.squeeze,
            level.squeeze,
            level.kernel,
            stride=level.stride,
            padding=level.padding,
            groups=level.squeeze,
        ),
        *normalised(level.squeeze, level.channels),
    )


def normalised(
    in_channels: int, channels: int, kernel: int = 1, *, stride: int = 1, padding: int = 0, groups: int = 1
) -> list[nn.Module]:
    """Convolution, batch norm and ReLU6."""
    return [
        nn.Conv2d(in_channels, channels, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU6(inplace=True),
    ]


def small_normal(module: nn.Module) -> None:
    """Small random weights, as TensorFlow's SSDLite starts: a normal distribution with σ = 0.03."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, std=0.03)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
