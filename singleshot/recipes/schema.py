"""Every knob there is: its name, type, bounds, default and a line on what it does.

A recipe is a TOML file of these keys. Unknown keys are errors that name the nearest known one.
"""

from typing import Literal

from pydantic import Field

from singleshot.data.augment.settings import AugmentationSettings
from singleshot.families import AnyDetector
from singleshot.recipes.training import TrainingSettings
from singleshot.settings import Settings

__all__ = ["Recipe"]


class Recipe(Settings):
    """What to do: the detector, how images are varied, how it is trained."""

    preset: Literal["paper", "modern", "none"] = Field(
        "none",
        description="where values come from that the recipe does not give: 'paper': the original's "
        "to the letter; 'modern': what raises accuracy at no cost on the device",
    )
    model: AnyDetector
    augmentation: AugmentationSettings = AugmentationSettings()
    training: TrainingSettings
