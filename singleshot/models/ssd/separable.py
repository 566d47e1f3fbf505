"""SSDLite's convolution: depthwise, then 1 × 1 (Sandler et al. 2018, "MobileNetV2", §6.2)."""

from typing import Any

from timm.layers import create_conv2d
from torch import nn

__all__ = ["depthwise", "pointwise"]


def pointwise(in_channels: int, channels: int, *, batch_norm: bool = True) -> nn.Sequential:
    """1 × 1 convolution, batch norm and ReLU6."""
    return activated(nn.Conv2d(in_channels, channels, 1, bias=not batch_norm), batch_norm)


def depthwise(
    channels: int,
    kernel: int = 3,
    *,
    stride: int = 1,
    padding: int | str = 1,
    batch_norm: bool = True,
) -> nn.Sequential:
    """A convolution within each channel, batch norm and ReLU6; padding may be "same"."""
    convolution: Any = create_conv2d(
        channels,
        channels,
        kernel,
        stride=stride,
        padding=padding,
        depthwise=True,
        bias=not batch_norm,
    )
    return activated(convolution, batch_norm)


def activated(convolution: nn.Conv2d, batch_norm: bool) -> nn.Sequential:
    norm = [nn.BatchNorm2d(convolution.out_channels)] if batch_norm else []
    return nn.Sequential(convolution, *norm, nn.ReLU6(inplace=True))
