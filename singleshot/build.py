"""From a recipe to objects: the only file that knows both."""

from collections.abc import Sequence

from singleshot.models.backbones.backbone import Backbone
from singleshot.models.backbones.timm import TimmBackbone
from singleshot.models.backbones.vgg import Vgg16
from singleshot.models.backbones.weights import fill, timm_weights, vgg_weights
from singleshot.models.checkpoint import Checkpoint
from singleshot.models.ssd.network import Ssd
from singleshot.recipes.schema import ModelSettings, Recipe, TimmSettings, Vgg16Settings

__all__ = ["build_backbone", "build_detector", "detector_from"]


def build_detector(settings: ModelSettings, class_names: Sequence[str], *, pretrained: bool) -> Ssd:
    """A detector with random weights, but for its backbone's when `pretrained`."""
    backbone = build_backbone(settings.backbone, pretrained=pretrained)
    return Ssd(backbone, class_names, settings)


def build_backbone(settings: Vgg16Settings | TimmSettings, *, pretrained: bool) -> Backbone:
    """The backbone of a recipe."""
    pretrained = pretrained and settings.weights != "none"
    match settings:
        case Vgg16Settings():
            vgg = Vgg16()
            if pretrained:
                fill(vgg.features, vgg_weights(settings.weights), place=settings.weights)
            return vgg
        case TimmSettings():
            backbone = TimmBackbone(settings.name, settings.strides)
            if pretrained:
                weights = timm_weights(settings.name, settings.weights)
                fill(backbone.body, weights, place=f"weights {settings.weights!r}")
            backbone.freeze(settings.frozen_stride, batch_norm=settings.batch_norm == "frozen")
            return backbone


def detector_from(checkpoint: Checkpoint, place: str) -> Ssd:
    """The detector that a checkpoint holds."""
    detector = build_detector(checkpoint.recipe.model, checkpoint.class_names, pretrained=False)
    checkpoint.restore(detector, place)
    return detector.eval()
