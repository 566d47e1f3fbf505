"""The variations in their order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from singleshot.data.augment.chance import happens
from singleshot.data.augment.geometry import CropAroundObjects, Expand, FlipHorizontally
from singleshot.data.augment.mosaic import Mosaic, blend
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
    mosaic: Mosaic
    mosaic_probability: float
    mixup_probability: float

    def mixed(
        self, sample: Sample, another: Callable[[], Sample], random: torch.Generator
    ) -> Sample:
        """Perhaps with other pictures in it; `another` gives one that is not varied yet."""
        if sometimes(self.mosaic_probability, random):
            result = self.mosaic([sample, another(), another(), another()], random)
        else:
            result = self(sample, random)
        if sometimes(self.mixup_probability, random):
            result = blend(result, self(another(), random))
        return result

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
        colours, flip = DistortColours(settings.photometric), FlipHorizontally(settings.flip)
        crop = CropAroundObjects(settings.crop)
        render = Render(size, settings.interpolations, fill)
        return cls(
            variations=(colours, Expand(settings.expand), crop, flip),
            render=render,
            # Objects are smaller in a tile as they are; an expanded picture would lose them.
            mosaic=Mosaic((colours, crop, flip), render),
            mosaic_probability=settings.mosaic,
            mixup_probability=settings.mixup,
        )


def sometimes(probability: float, random: torch.Generator) -> bool:
    """Whether it happens; a recipe that never mixes keeps its random numbers for the rest."""
    return probability > 0 and happens(probability, random)
