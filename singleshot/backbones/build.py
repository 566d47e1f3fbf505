"""The network below a detector."""

from pathlib import Path

from singleshot.backbones.backbone import Backbone
from singleshot.backbones.classifier import ClassifierBackbone
from singleshot.backbones.darknet import DarknetBackbone
from singleshot.backbones.darknet_settings import DarknetSettings
from singleshot.backbones.darknet_weights import fill_backbone
from singleshot.backbones.graph import GraphBackbone
from singleshot.backbones.graph_settings import GraphSettings
from singleshot.backbones.hog import Hog
from singleshot.backbones.settings import (
    BackboneSettings,
    HogSettings,
    TimmSettings,
    TorchvisionSettings,
    Vgg16Settings,
)
from singleshot.backbones.timm import TimmBackbone
from singleshot.backbones.torchvision import TorchvisionBackbone
from singleshot.backbones.vgg import Vgg16
from singleshot.backbones.weights import classifier_weights, fill, vgg_weights

__all__ = ["build_backbone"]


def build_backbone(settings: BackboneSettings, *, pretrained: bool) -> Backbone:
    """The backbone of a recipe."""
    pretrained = pretrained and settings.weights != "none"
    match settings:
        case Vgg16Settings():
            vgg = Vgg16(conv4_3=settings.conv4_3)
            if pretrained:
                fill(vgg.features, vgg_weights(settings.weights), place=settings.weights)
            return vgg
        case GraphSettings():
            return GraphBackbone(settings)
        case HogSettings():
            return Hog()
        case DarknetSettings():
            darknet = DarknetBackbone(settings)
            if pretrained:
                fill_backbone(darknet, Path(settings.weights))
            return darknet
        case TimmSettings(name=name, arguments=arguments):
            classifier: ClassifierBackbone = TimmBackbone(
                name, strides=settings.strides, nodes=settings.nodes, arguments=arguments
            )
        case TorchvisionSettings(name=name, arguments=arguments):
            ceil_pooling = settings.first_pooling == "ceil"
            classifier = TorchvisionBackbone(
                name, settings.nodes, arguments, ceil_pooling=ceil_pooling
            )
    if pretrained:
        weights = classifier_weights(settings)
        fill(classifier.weights, weights, place=f"weights {settings.weights!r}")
    # Random weights are not worth keeping; but a checkpoint may have been folded all the same.
    frozen_stride = 0 if settings.weights == "none" else settings.frozen_stride
    classifier.freeze(frozen_stride, batch_norm=settings.batch_norm == "frozen")
    return classifier
