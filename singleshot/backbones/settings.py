"""The table `model.backbone`: keys of every kind, and those of VGG16, HOG, timm and torchvision.

Those of networks written layer by layer are in `graph_settings` and `darknet_settings`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field, field_validator, model_validator

from singleshot.settings import Count, Settings

__all__ = [
    "VGG16_CHANNELS",
    "BackboneSettings",
    "ClassifierSettings",
    "HogSettings",
    "TimmSettings",
    "TorchvisionSettings",
    "Vgg16Settings",
    "VggPixels",
]

VggPixels = Literal["caffe", "torchvision"]
Argument = bool | int | float | str


class BackboneSettings(Settings):
    """Keys that every kind of backbone has."""

    kind: str
    name: str = Field(description="of the network, for messages")
    weights: str = Field("none", description="'none', or the weights to start from")

    @property
    def widths(self) -> Sequence[int]:
        """Channels of each layer that may have fewer; none, as here, where widths are tied."""
        return ()

    def with_widths(self, widths: Sequence[int]) -> Mapping[str, object]:
        """Return the keys of this table that give each of these layers so many channels."""
        assert not widths
        return {}


# Of the 13 convolutions, fc6 and fc7.
VGG16_CHANNELS = (64, 64, 128, 128, *(256,) * 3, *(512,) * 6, 1024, 1024)


class Vgg16Settings(BackboneSettings):
    """The paper's VGG16: fc6 and fc7 as convolutions, conv4_3 normalised (§3, §3.1)."""

    kind: Literal["vgg16"] = "vgg16"
    name: Literal["vgg16-reduced"] = "vgg16-reduced"
    conv4_3: Literal["l2-norm", "batch-norm"] = Field(
        "l2-norm",
        description="normalisation to the magnitude of the levels above; 'l2-norm': the paper's",
    )
    channels: tuple[Count, ...] = Field(
        VGG16_CHANNELS,
        min_length=len(VGG16_CHANNELS),
        max_length=len(VGG16_CHANNELS),
        description="of the 13 convolutions, fc6 and fc7; fewer than the paper's after train "
        "--prune",
    )
    pixels: VggPixels = Field(
        "caffe",
        description="of the weights' ImageNet training: 'caffe', the original's: less their mean; "
        "'torchvision': divided by their deviation as well, as its whole vgg16 expects",
    )
    weights: str = Field(
        "none",
        description="'none', or a file of ImageNet's VGG16: vgg16_reducedfc.pth, a .caffemodel, "
        "torchvision's or timm's; fc6 and fc7 of a whole one are decimated as the original's",
    )

    @property
    def widths(self) -> Sequence[int]:
        """Channels of all layers: each is the input of the next alone."""
        return self.channels

    def with_widths(self, widths: Sequence[int]) -> Mapping[str, object]:
        """Return `channels`."""
        return {"channels": tuple(widths)}


class HogSettings(BackboneSettings):
    """Histograms of oriented gradients (Dalal and Triggs 2005), without trainable weights."""

    kind: Literal["hog"] = "hog"
    name: Literal["hog"] = "hog"
    weights: Literal["computed"] = Field("computed", description="there are no trainable weights")


class ClassifierSettings(BackboneSettings):
    """A classification network, cut at the layers that give the feature maps."""

    name: str = Field(description="name of the network in the library")
    nodes: tuple[str, ...] = Field(
        (), description="the layers whose outputs are the levels, by name, finest first"
    )
    arguments: dict[str, Argument | tuple[Argument, ...]] = Field(
        {}, description="further arguments of the library's constructor"
    )
    weights: str = Field("none", description="'none', or a file")
    batch_norm: Literal["train", "frozen"] = Field(
        "train",
        description="'frozen' keeps the pretrained statistics and folds them into the convolutions",
    )
    frozen_stride: int = Field(
        0, ge=0, description="stages up to this stride keep pretrained weights; 0: all learn"
    )


class TimmSettings(ClassifierSettings):
    """Any timm model with feature maps."""

    kind: Literal["timm"] = "timm"
    strides: tuple[Count, ...] = Field(
        (16, 32), description="strides of the feature maps, where no nodes are given"
    )
    weights: str = Field(
        "installed", description="'installed' (a package that carries them), 'none', or a file"
    )

    @field_validator("strides")
    @classmethod
    def finest_first(cls, strides: tuple[int, ...]) -> tuple[int, ...]:
        """Check that levels go from fine to coarse."""
        if list(strides) != sorted(set(strides)) or not strides:
            raise ValueError("strides rise, as in [8, 16, 32]")
        return strides


class TorchvisionSettings(ClassifierSettings):
    """Any of torchvision's classification models, cut at layers that are named."""

    kind: Literal["torchvision"] = "torchvision"
    first_pooling: Literal["library", "ceil"] = Field(
        "library",
        description="of a ResNet: 'ceil': without padding, rounding up, as in Caffe's, so that 321 "
        "pixels become 40 cells",
    )

    @model_validator(mode="after")
    def nodes_are_named(self) -> TorchvisionSettings:
        """Check that layers are named: torchvision does not list strides."""
        if not self.nodes:
            raise ValueError("give nodes: the layers whose outputs are the levels")
        return self
