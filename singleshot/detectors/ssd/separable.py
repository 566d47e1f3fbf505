"""SSDLite's convolution: depthwise, then 1 × 1 (Sandler et al. 2018, "MobileNetV2", §6.2)."""

from typing import Any, Literal

from timm.layers import create_conv2d
from torch import nn

__all__ = ["depthwise", "pointwise", "projection"]

Activation = Literal["relu6", "relu"]


def pointwise(
    in_channels: int, channels: int, *, batch_norm: bool = True, activation: Activation = "relu6"
) -> nn.Sequential:
    """1 × 1 convolution, batch norm and activation."""
    projected = projection(in_channels, channels, batch_norm=batch_norm)
    return projected.append(activated(activation))


def projection(in_channels: int, channels: int, *, batch_norm: bool = True) -> nn.Sequential:
    """1 × 1 convolution and batch norm: a "linear bottleneck" (MobileNetV2, §3.2)."""
    return normalised(nn.Conv2d(in_channels, channels, 1, bias=not batch_norm), batch_norm)


def depthwise(
    channels: int,
    kernel: int = 3,
    *,
    stride: int = 1,
    padding: int | str = 1,
    batch_norm: bool = True,
    activation: Activation = "relu6",
) -> nn.Sequential:
    """A convolution within each channel, batch norm and activation; padding may be "same"."""
    convolution: Any = create_conv2d(
        channels,
        channels,
        kernel,
        stride=stride,
        padding=padding,
        depthwise=True,
        bias=not batch_norm,
    )
    return normalised(convolution, batch_norm).append(activated(activation))


def normalised(convolution: nn.Conv2d, batch_norm: bool) -> nn.Sequential:
    norm = [nn.BatchNorm2d(convolution.out_channels)] if batch_norm else []
    return nn.Sequential(convolution, *norm)


def activated(activation: Activation) -> nn.Module:
    return nn.ReLU(inplace=True) if activation == "relu" else nn.ReLU6(inplace=True)
