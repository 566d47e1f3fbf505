"""SSDLite's convolution: depthwise, then 1 × 1 (Sandler et al. 2018, "MobileNetV2", §6.2)."""

from torch import nn

__all__ = ["depthwise", "pointwise"]


def pointwise(in_channels: int, channels: int) -> nn.Sequential:
    """1 × 1 convolution, batch norm and ReLU6."""
    return normalised(nn.Conv2d(in_channels, channels, 1, bias=False))


def depthwise(
    channels: int, kernel: int = 3, *, stride: int = 1, padding: int = 1
) -> nn.Sequential:
    """A convolution within each channel, batch norm and ReLU6."""
    return normalised(
        nn.Conv2d(channels, channels, kernel, stride, padding, groups=channels, bias=False)
    )


def normalised(convolution: nn.Conv2d) -> nn.Sequential:
    norm = nn.BatchNorm2d(convolution.out_channels)
    return nn.Sequential(convolution, norm, nn.ReLU6(inplace=True))
