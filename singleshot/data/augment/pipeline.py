"""The variations in their order."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from singleshot.data.augment.geometry import CropAroundObjects, Expand, FlipHorizontally
from singleshot.data.augment.photometric import DistortColours
from singleshot.data.augment.render import Render
from singleshot.data.augment.view import Variation, View
from singleshot.recipes.augmentation import AugmentationSettings
from singleshot.structures import Sample

__all__ = ["Augmentation"]


@dataclass(frozen=True)
class Augmentation:
    """Vary a sample; the same generator state gives the same picture."""

    variations: Sequence[Variation]
    render: Render

    def __call__(self, sample: Sample, random: torch.Generator) -> Sample:
        """A sample of the network's input size."""
        view = View.of(sample)
        for vary in self.variations:
            view = vary(view, random)
        return self.render(view, random)

    @classmethod
    def of(
        cls, settings: AugmentationSettings, size: tuple[int, int], fill: tuple[int, int, int]
    ) -> "Augmentation":
        """As a recipe says; `fill` is the colour of the canvas beyond the picture."""
        return cls(
            variations=(
                DistortColours(settings.photometric),
                Expand(settings.expand),
                CropAroundObjects(settings.crop),
                FlipHorizontally(settings.flip),
            ),
            render=Render(size, settings.interpolations, fill),
        )
