"""The table `model.backbone`: what the first feature maps come from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from singleshot.settings import Count, Settings

__all__ = [
    "BackboneSettings",
    "ClassifierSettings",
    "HogSettings",
    "TimmSettings",
    "TorchvisionSettings",
    "Vgg16Settings",
]


Argument = bool | int | float | str


class BackboneSettings(Settings):
    """What all backbones have in their table."""

    kind: str
    name: str = Field(description="of the network, for messages")
    weights: str = Field("none", description="'none', or what it is to start from")


class Vgg16Settings(BackboneSettings):
    """The paper's VGG16: fc6 and fc7 as convolutions, conv4_3 normalised (§3, §3.1)."""

    kind: Literal["vgg16"] = "vgg16"
    name: Literal["vgg16-reduced"] = "vgg16-reduced"
    conv4_3: Literal["l2-norm", "batch-norm"] = Field(
        "l2-norm",
        description="what brings it to the magnitude of the levels above: 'l2-norm': the paper's",
    )
    weights: str = Field("none", description="'none', or a file of torchvision's vgg16 weights")


class HogSettings(BackboneSettings):
    """Histograms of oriented gradients (Dalal and Triggs 2005); nothing in them learns."""

    kind: Literal["hog"] = "hog"
    name: Literal["hog"] = "hog"
    weights: Literal["computed"] = Field("computed", description="there are none to learn")


class ClassifierSettings(BackboneSettings):
    """A classification network that is cut where its feature maps are."""

    name: str = Field(description="what the library calls the network")
    nodes: tuple[str, ...] = Field(
        (), description="the layers whose outputs are the levels, by name, finest first"
    )
    arguments: dict[str, Argument | tuple[Argument, ...]] = Field(
        {}, description="what the library is asked for beyond the name"
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
    """Any timm model that gives feature maps."""

    kind: Literal["timm"] = "timm"
    strides: tuple[Count, ...] = Field(
        (16, 32), description="which feature maps, by their stride, where no nodes are named"
    )
    weights: str = Field(
        "installed", description="'installed' (a package that carries them), 'none', or a file"
    )

    @field_validator("strides")
    @classmethod
    def finest_first(cls, strides: tuple[int, ...]) -> tuple[int, ...]:
        """Levels go from fine to coarse."""
        if list(strides) != sorted(set(strides)) or not strides:
            raise ValueError("strides rise, as in [8, 16, 32]")
        return strides


class TorchvisionSettings(ClassifierSettings):
    """Any of torchvision's classification models, by the names of its layers."""

    kind: Literal["torchvision"] = "torchvision"
    first_pooling: Literal["library", "ceil"] = Field(
        "library",
        description="of a ResNet: 'ceil': without padding, rounding up, as in Caffe's, so that 321 "
        "pixels become 40 cells",
    )

    @model_validator(mode="after")
    def nodes_are_named(self) -> TorchvisionSettings:
        """Torchvision cannot be asked for strides."""
        if not self.nodes:
            raise ValueError("give nodes: the layers whose outputs are the levels")
        return self
