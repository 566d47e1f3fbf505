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


def base_content(detector: TrainedDetector | None) -> dict[str, Any]:
    """Return the content of the base recipe, or of the recipe of a start."""
    if detector is None:
        return {"based_on": constants.BASE}
    content: dict[str, Any] = detector.checkpoint.recipe.model_dump(mode="json", exclude_none=True)
    return content


@dataclass(frozen=True)
class BaseRecipe:
    """The content of the recipe that is changed, and facts of the detector that it starts from."""

    content: Mapping[str, Any]
    start: StartFacts | None = None

    @classmethod
    def of(
        cls, detector: TrainedDetector | None, *, knows_classes: bool, keeps_network: bool = False
    ) -> BaseRecipe:
        """Return the base recipe, or that of a start.

        A small SSD that learns new classes and has no level as fine as the base's gives its
        backbone alone, unless it `keeps_network`: levels, priors and heads are the base's.
        """
        content = base_content(detector)
        if detector is None:
            return cls(content)
        checkpoint = detector.checkpoint
        network = build_to_measure(checkpoint.recipe.model, checkpoint.class_names)
        macs, same_kind = count_macs(network), network.settings.kind == _base_kind()
        like_base = same_kind and macs <= constants.SMALL_MACS
        layers: Mapping[int, str] = {}
        if like_base and not (knows_classes or keeps_network):
            layers = _layers_of_levels(network.parts["backbone"])
        if layers:
            content = _with_backbone_of(content, layers)
            network = build_to_measure(load_recipe(content).model, checkpoint.class_names)
        rate, has_tables = _own_rate(checkpoint.recipe, knows_classes=knows_classes)
        start = StartFacts(
            source=detector.source,
            model=network.settings,
            macs=count_macs(network),
            rate=rate,
            knows_classes=knows_classes,
            has_tables=has_tables,
            like_base=like_base,
            layers=layers,
        )
        return cls(content, start)


def _base_kind() -> str:
    return load_recipe(constants.BASE).model.kind


def _layers_of_levels(backbone: nn.Module) -> dict[int, str]:
    """Name the layers of a backbone that give the base's levels, by stride.

    Empty where it has a level as fine already, or its levels are not named layers.
    """
    if not (isinstance(backbone, ClassifierBackbone) and isinstance(backbone.body, Nodes)):
        return {}
    layers = backbone.body.last_layers()
    _, own = backbone.freezable()
    if min(own) <= min(constants.BASE_STRIDES) or not layers.keys() >= {*constants.BASE_STRIDES}:
        return {}
    return layers


def _with_backbone_of(content: Mapping[str, Any], layers: Mapping[int, str]) -> dict[str, Any]:
    """Put the backbone of a start, with what it expects of pixels, into the base recipe."""
    own = content["model"]
    backbone = {**own["backbone"], "nodes": [layers[stride] for stride in constants.BASE_STRIDES]}
    kept = {key: own[key] for key in ("input", "resize", "pixels") if key in own}
    return {**base_content(None), "model": {**kept, "backbone": backbone}}


def _own_rate(recipe: Recipe, *, knows_classes: bool) -> tuple[LearningRate, bool]:
    """Return the learning rate of a start's recipe, and whether it has values for fine-tuning."""
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
