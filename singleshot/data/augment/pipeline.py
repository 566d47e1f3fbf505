"""The variations in their order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from singleshot.data.augment.chance import happens
from singleshot.data.augment.geometry import CropAroundObjects, Expand, FlipHorizontally
from singleshot.data.augment.mosaic import Mosaic, blend
from singleshot.data.augment.photometric import DistortColours
from singleshot.data.augment.render import Render
from singleshot.data.augment.settings import AugmentationSettings
from singleshot.data.augment.view import Variation, View
from singleshot.structures import Sample

__all__ = ["Augmentation"]


@dataclass(frozen=True)
class Augmentation:
    """Vary a sample; the same generator state gives the same image."""

    variations: Sequence[Variation]
    clean_variations: Sequence[Variation]  # near the end of the training
    render: Render
    mosaic: Mosaic
    mosaic_probability: float
    mixup_probability: float

    def mixed(
        self, sample: Sample, another: Callable[[], Sample], random: torch.Generator
    ) -> Sample:
        """Perhaps with other images in it; `another` gives one that is not varied yet."""
        if sometimes(self.mosaic_probability, random):
            result = self.mosaic([sample, another(), another(), another()], random)
        else:
            result = self(sample, random)
        if sometimes(self.mixup_probability, random):
            result = blend(result, self(another(), random))
        return result

    def __call__(self, sample: Sample, random: torch.Generator) -> Sample:
        """A sample of the network's input size."""
        return self.varied(sample, self.variations, random)

    def clean(self, sample: Sample, random: torch.Generator) -> Sample:
        """One for the end of the training, where no other image is mixed in."""
        return self.varied(sample, self.clean_variations, random)

    def varied(
        self, sample: Sample, variations: Sequence[Variation], random: torch.Generator
    ) -> Sample:
        """A sample of the network's input size, varied in this order."""
        view = View.of(sample)
        for vary in variations:
            view = vary(view, random)
        return self.render(view, random)

    @classmethod
    def of(
        cls, settings: AugmentationSettings, size: tuple[int, int], fill: tuple[int, int, int]
    ) -> "Augmentation":
        """As a recipe says; `fill` is the colour of the canvas beyond the image."""
        colours, flip = DistortColours(settings.photometric), FlipHorizontally(settings.flip)
        expand, crop = Expand(settings.expand), CropAroundObjects(settings.crop)
        render = Render(size, settings.interpolations, fill)
        every = (colours, expand, crop, flip)
        return cls(
            variations=every,
            clean_variations=(colours, flip) if settings.clean_size else every,
            render=render,
            # Objects are smaller in a tile as they are; an expanded image would lose them.
            mosaic=Mosaic((colours, crop, flip), render),
            mosaic_probability=settings.mosaic,
            mixup_probability=settings.mixup,
        )


def sometimes(probability: float, random: torch.Generator) -> bool:
    """Whether it happens; a recipe that never mixes keeps its random numbers for the rest."""
    return probability > 0 and happens(probability, random)
