"""BACKBONES: one symbol for each kind of backbone, with its settings and what builds it.

Recipes are read without PyTorch, so networks are imported when one is built.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

from singleshot.backbones.settings import (
    BackboneSettings,
    ClassifierSettings,
    DarknetSettings,
    GraphSettings,
    HogSettings,
    TimmSettings,
    TorchvisionSettings,
    Vgg16Settings,
)
from singleshot.plugins import Extension, with_registered
from singleshot.settings import ByKind

if TYPE_CHECKING:
    from singleshot.backbones.backbone import Backbone
    from singleshot.backbones.classifier import ClassifierBackbone

__all__ = ["BACKBONES", "AnyBackbone", "BackboneKind", "backbone_kinds", "build_backbone"]

S = TypeVar("S", bound=BackboneSettings)


@dataclass(frozen=True)
class BackboneKind(Extension, Generic[S]):
    """A kind of backbone: what `model.backbone.kind` names."""

    kind: str
    settings: type[S]
    build: Callable[[S, bool], Any]  # of settings and `pretrained`, a `Backbone`

    @property
    def key(self) -> str:
        """The value of `model.backbone.kind`."""
        return self.kind


def build_vgg16(settings: Vgg16Settings, pretrained: bool) -> Backbone:
    """Build the paper's VGG16, with ImageNet weights of a file if pretrained."""
    from singleshot.backbones.vgg import Vgg16
    from singleshot.backbones.vgg_weights import load_vgg16

    vgg = Vgg16(conv4_3=settings.conv4_3, pixels=settings.pixels, channels=settings.channels)
    if pretrained:
        vgg.loaded = load_vgg16(vgg, Path(settings.weights))
    return vgg


def build_timm(settings: TimmSettings, pretrained: bool) -> Backbone:
    """Build a timm model."""
    from singleshot.backbones.timm import TimmBackbone

    backbone = TimmBackbone(
        settings.name,
        strides=settings.strides,
        nodes=settings.nodes,
        arguments=settings.arguments,
    )
    return _with_weights(backbone, settings, pretrained)


def build_torchvision(settings: TorchvisionSettings, pretrained: bool) -> Backbone:
    """Build one of torchvision's classification models."""
    from singleshot.backbones.torchvision import TorchvisionBackbone

    backbone = TorchvisionBackbone(
        settings.name,
        settings.nodes,
        settings.arguments,
        ceil_pooling=settings.first_pooling == "ceil",
    )
    return _with_weights(backbone, settings, pretrained)


def _with_weights(
    backbone: ClassifierBackbone, settings: ClassifierSettings, pretrained: bool
) -> Backbone:
    """Load the weights of a classification network and freeze its first stages."""
    from singleshot.backbones.weights import classifier_weights, fill, require_known

    if pretrained:
        loaded = fill(backbone.weights, classifier_weights(settings), settings.weights)
        if settings.weights != "installed":
            require_known(loaded, backbone.classifier_names(), settings.name)
            backbone.loaded = loaded
    # Random weights are not worth keeping; but a checkpoint may have been folded all the same.
    frozen_stride = 0 if settings.weights == "none" else settings.frozen_stride
    backbone.freeze(frozen_stride, batch_norm=settings.batch_norm == "frozen")
    return backbone


def build_graph(settings: GraphSettings, _pretrained: bool) -> Backbone:
    """Build a network layer by layer."""
    from singleshot.backbones.graph import GraphBackbone

    return GraphBackbone.from_settings(settings)


def build_hog(_settings: HogSettings, _pretrained: bool) -> Backbone:
    """Build histograms of oriented gradients."""
    from singleshot.backbones.hog import Hog

    return Hog()


def build_darknet(settings: DarknetSettings, pretrained: bool) -> Backbone:
    """Build one of Darknet's networks, with weights of a Darknet file if pretrained."""
    from singleshot.backbones.darknet import DarknetBackbone
    from singleshot.backbones.darknet_weights import fill_backbone

    darknet = DarknetBackbone.from_settings(settings)
    if pretrained:
        darknet.loaded = fill_backbone(darknet, Path(settings.weights))
    return darknet


BACKBONES: tuple[BackboneKind[Any], ...] = (
    BackboneKind("vgg16", Vgg16Settings, build_vgg16),
    BackboneKind("timm", TimmSettings, build_timm),
    BackboneKind("torchvision", TorchvisionSettings, build_torchvision),
    BackboneKind("graph", GraphSettings, build_graph),
    BackboneKind("hog", HogSettings, build_hog),
    BackboneKind("darknet", DarknetSettings, build_darknet),
)


def backbone_kinds() -> tuple[BackboneKind[Any], ...]:
    """List all kinds of backbones, those of plugins included."""
    return with_registered(BACKBONES, BackboneKind)


AnyBackbone = Annotated[BackboneSettings, ByKind(backbone_kinds)]


def build_backbone(settings: BackboneSettings, *, pretrained: bool) -> Backbone:
    """Build the backbone of a recipe; `pretrained` loads the weights that its settings name."""
    pretrained = pretrained and settings.weights != "none"
    build = {kind.kind: kind.build for kind in backbone_kinds()}[settings.kind]
    backbone: Backbone = build(settings, pretrained)
    return backbone
