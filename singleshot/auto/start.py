"""The recipe that is changed, and facts of a detector that a training starts from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from singleshot.auto import constants
from singleshot.auto.limits import build_to_measure
from singleshot.auto.task import StartFacts
from singleshot.checkpoints.transfer import TrainedDetector
from singleshot.models.summary import count_macs
from singleshot.recipes.load import load_recipe

__all__ = ["base_content", "start_facts"]


def base_content(detector: TrainedDetector | None) -> dict[str, Any]:
    """Return the content of the recipe that is changed: the start's own, if there is one."""
    if detector is None:
        return {"based_on": constants.BASE}
    content: dict[str, Any] = detector.checkpoint.recipe.model_dump(mode="json", exclude_none=True)
    return content


def start_facts(detector: TrainedDetector, *, knows_classes: bool) -> StartFacts:
    """Collect what the rules need to know of a detector."""
    recipe = detector.checkpoint.recipe
    tables: list[tuple[str, Mapping[str, Any]]] = [("fine_tuning", recipe.fine_tuning)]
    if knows_classes:
        tables.insert(0, ("fine_tuning_known", recipe.fine_tuning_known))
    rate_key, rate = "training.learning_rate", recipe.training.learning_rate
    batch_size = recipe.training.batch_size
    optimizers = [table.get("training", {}).get("optimizer") for _, table in tables]
    for name, table in tables:
        if "learning_rate" in table.get("training", {}):
            rate_key, rate = f"{name}.{rate_key}", float(table["training"]["learning_rate"])
            batch_size = constants.BASE_BATCH  # that its values were measured with
            break
    macs = count_macs(build_to_measure(recipe.model, detector.checkpoint.class_names))
    same_kind = recipe.model.kind == load_recipe(constants.BASE).model.kind
    return StartFacts(
        source=detector.source,
        model=recipe.model,
        macs=macs,
        batch_size=batch_size,
        rate_key=rate_key,
        rate=rate,
        optimizer=next(filter(None, optimizers), recipe.training.optimizer),
        knows_classes=knows_classes,
        has_tables=any(table for _, table in tables),
        like_base=same_kind and macs <= constants.SMALL_MACS,
    )
