"""Schema of a recipe: name, type, bounds, default and description of every key.

A recipe is a TOML file of these keys. Unknown keys are errors that name the nearest known one.
"""

from typing import Any, Literal

from pydantic import Field

from singleshot.data.augment.settings import AugmentationSettings
from singleshot.families import AnyDetector
from singleshot.recipes.training import TrainingSettings
from singleshot.settings import Settings

__all__ = ["Recipe"]


class Recipe(Settings):
    """Detector, augmentation and training of a run."""

    preset: Literal["paper", "modern", "none"] = Field(
        "none",
        description="source of the values that the recipe does not give: 'paper': the original's "
        "to the letter; 'modern': options that raise accuracy at no cost on the device",
    )
    model: AnyDetector
    augmentation: AugmentationSettings = AugmentationSettings()
    training: TrainingSettings
    fine_tuning: dict[str, Any] = Field(
        {},
        description="tables of keys of this recipe that have other values where a training starts "
        "from a detector (--init); --set overrides these, too",
    )
    fine_tuning_known: dict[str, Any] = Field(
        {},
        description="the same, over those of fine_tuning, where the detector knows all classes of "
        "the data",
    )
