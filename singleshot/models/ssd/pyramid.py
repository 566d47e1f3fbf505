"""The feature maps above the backbone's, each smaller than the one below (paper §2.1)."""

from collections.abc import Sequence

from torch import Tensor, nn

from singleshot.models.initial import caffe_xavier, small_normal
from singleshot.models.ssd.separable import depthwise, pointwise
from singleshot.models.ssd.top_down import TopDown
from singleshot.recipes.model import ExtraLevel, PyramidSettings

__all__ = ["Pyramid"]


class Pyramid(nn.Module):
    """Appends the extra levels to a backbone's feature maps, and lets all levels speak."""

    def __init__(self, channels: Sequence[int], settings: PyramidSettings) -> None:
        """`channels` are those of the backbone's feature maps."""
        super().__init__()
        make = plain_level if settings.block == "plain" else separable_level
        below = [channels[-1], *(level.channels for level in settings.extra)]
        self.extra = nn.ModuleList(map(make, below, settings.extra))
        self.apply(caffe_xavier if settings.block == "plain" else small_normal)
        self.channels: tuple[int, ...] = (*channels, *below[1:])
        self.top_down: nn.Module = nn.Identity()
        if settings.top_down:
            self.top_down = TopDown(self.channels, settings.top_down)
            self.channels = (settings.top_down,) * len(self.channels)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """One feature map for each entry of `channels`."""
        features = list(features)
        for level in self.extra:
            features.append(level(features[-1]))
        levels: list[Tensor] = self.top_down(features)
        return levels


def plain_level(in_channels: int, level: ExtraLevel) -> nn.Sequential:
    """The paper's: 1 × 1, then usually 3 × 3 with stride 2."""
    return nn.Sequential(
        nn.Conv2d(in_channels, level.squeeze, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(level.squeeze, level.channels, level.kernel, level.stride, level.padding),
        nn.ReLU(inplace=True),
    )


def separable_level(in_channels: int, level: ExtraLevel) -> nn.Sequential:
    """SSDLite's: the 3 × 3 convolution is depthwise."""
    return nn.Sequential(
        pointwise(in_channels, level.squeeze),
        depthwise(level.squeeze, level.kernel, stride=level.stride, padding=level.padding),
        pointwise(level.squeeze, level.channels),
    )
