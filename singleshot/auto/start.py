"""The recipe that is changed, and facts of a detector that a training starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from singleshot.auto import constants
from singleshot.auto.limits import build_to_measure
from singleshot.auto.task import LearningRate, StartFacts
from singleshot.backbones.classifier import ClassifierBackbone, Nodes
from singleshot.checkpoints.transfer import TrainedDetector
from singleshot.models.summary import count_macs
from singleshot.recipes.load import load_recipe
from singleshot.recipes.schema import Recipe

__all__ = ["BaseRecipe", "base_content"]

_RATE = "training.learning_rate"
# Keys of a start's recipe that may be chosen for the images that it was trained on.
_OF_OTHER_IMAGES = (
    "cache",
    "cache_side",
    "cache_folder",
    "repeat_threshold",
    "validation_images",
    "backbone_learning_rate",
)


def base_content(detector: TrainedDetector | None) -> dict[str, Any]:
    """Return the content of the base recipe, or of the recipe of a start."""
    if detector is None:
        return {"based_on": constants.BASE}
    content: dict[str, Any] = detector.checkpoint.recipe.model_dump(mode="json", exclude_none=True)
    for key in _OF_OTHER_IMAGES:
        content["training"].pop(key, None)
    return content


@dataclass(frozen=True)
class BaseRecipe:
    """The content of the recipe that is changed, and facts of the detector that it starts from."""

    content: Mapping[str, Any]
    start: StartFacts | None = None

    @classmethod
    def of(cls, detector: TrainedDetector | None, *, knows_classes: bool) -> BaseRecipe:
        """Return the base recipe, or that of a start.

        Where a small SSD learns new classes and has no level as fine as the base's, it is the base
        recipe with the backbone of the start, whose own levels, priors and heads are left out.
        """
        content = base_content(detector)
        if detector is None:
            return cls(content)
        recipe, class_names = detector.checkpoint.recipe, detector.checkpoint.class_names
        network = build_to_measure(recipe.model, class_names)
        macs = count_macs(network)
        same_kind = recipe.model.kind == load_recipe(constants.BASE).model.kind
        like_base = same_kind and macs <= constants.SMALL_MACS
        levels = None
        if like_base and not knows_classes and recipe.model.quantization is None:
            levels = _finer_levels(network.parts["backbone"])
        if levels is not None:
            content = _with_backbone_of(content, levels)
            recipe = load_recipe(content)
            macs = count_macs(build_to_measure(recipe.model, class_names))
        rate, has_tables = _usual_rate(recipe, knows_classes=knows_classes)
        start = StartFacts(
            source=detector.source,
            model=recipe.model,
            macs=macs,
            rate=rate,
            knows_classes=knows_classes,
            has_tables=has_tables,
            like_base=like_base,
            has_base_levels=levels is not None,
            layers=levels or {},
        )
        return cls(content, start)


def _finer_levels(backbone: nn.Module) -> dict[int, str] | None:
    """Find the levels that a backbone would have at the base's strides and finer ones.

    None where it has one as fine as the base's, or cannot have them all. Otherwise the names of
    layers by stride, empty where levels are named by their strides alone.
    """
    if not isinstance(backbone, ClassifierBackbone):
        return None
    if min(backbone.strides()) <= min(constants.BASE_STRIDES):
        return None
    layers = backbone.body.last_layers() if isinstance(backbone.body, Nodes) else {}
    available = layers or backbone.freezable()[1]
    return layers if {constants.FINE_STRIDE, *constants.BASE_STRIDES} <= {*available} else None


def _with_backbone_of(content: Mapping[str, Any], layers: Mapping[int, str]) -> dict[str, Any]:
    """Put the backbone of a start, with what it expects of pixels, into the base recipe."""
    own = content["model"]
    backbone = {key: value for key, value in own["backbone"].items() if key != "strides"}
    if layers:
        backbone["nodes"] = [layers[stride] for stride in constants.BASE_STRIDES]
    else:
        backbone["strides"] = list(constants.BASE_STRIDES)
    kept = {key: own[key] for key in ("resize", "pixels") if key in own}
    # Written out: a value that is given takes the place of one in these tables, too.
    tables = {"fine_tuning": load_recipe(constants.BASE).fine_tuning}
    return {**base_content(None), "model": {**kept, "backbone": backbone}, **tables}


def _usual_rate(recipe: Recipe, *, knows_classes: bool) -> tuple[LearningRate, bool]:
    """Return a recipe's learning rate for a start, and whether it has values for fine-tuning."""
    tables: list[tuple[str, Mapping[str, Any]]] = [("fine_tuning", recipe.fine_tuning)]
    if knows_classes:
        tables.insert(0, ("fine_tuning_known", recipe.fine_tuning_known))
    key, value, batch_size = _RATE, recipe.training.learning_rate, recipe.training.batch_size
    optimizers = [table.get("training", {}).get("optimizer") for _, table in tables]
    for name, table in tables:
        if "learning_rate" in table.get("training", {}):
            key, value = f"{name}.{_RATE}", float(table["training"]["learning_rate"])
            batch_size = constants.BASE_BATCH  # that its values were measured with
            break
    optimizer = next(filter(None, optimizers), recipe.training.optimizer)
    rate = LearningRate(key, value, optimizer, batch_size)
    return rate, any(table for _, table in tables)
