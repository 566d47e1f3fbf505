"""The augmentation pipeline: all variations in their order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from singleshot.data.augment.colours import DistortColours
from singleshot.data.augment.geometry import (
    CropAroundObjects,
    Expand,
    FlipHorizontally,
    FlipVertically,
)
from singleshot.data.augment.mosaic import Mosaic, mixup
from singleshot.data.augment.render import Render
from singleshot.data.augment.settings import AugmentationSettings
from singleshot.data.augment.view import Variation, View, happens
from singleshot.structures import Sample

__all__ = ["Augmentation"]


@dataclass(frozen=True)
class Augmentation:
    """Varies samples; the same generator state gives the same image."""

    variations: Sequence[Variation]
    clean_variations: Sequence[Variation]  # near the end of the training
    render: Render
    mosaic: Mosaic
    mosaic_probability: float
    mixup_probability: float

    def mix(self, sample: Sample, another: Callable[[], Sample], random: torch.Generator) -> Sample:
        """Vary a sample, perhaps with mosaic and mixup; `another` reads one more image."""
        if _sometimes(self.mosaic_probability, random):
            result = self.mosaic([sample, another(), another(), another()], random)
        else:
            result = self(sample, random)
        if _sometimes(self.mixup_probability, random):
            result = mixup(result, self(another(), random))
        return result

    def __call__(self, sample: Sample, random: torch.Generator) -> Sample:
        """Vary a sample and draw it at the network's input size."""
        return self._vary(sample, self.variations, random)

    def clean(self, sample: Sample, random: torch.Generator) -> Sample:
        """Vary a sample for the end of the training, where no other image is mixed in."""
        return self._vary(sample, self.clean_variations, random)

    def _vary(
        self, sample: Sample, variations: Sequence[Variation], random: torch.Generator
    ) -> Sample:
        view = View.of(sample)
        for vary in variations:
            view = vary(view, random)
        return self.render(view, random)

    @classmethod
    def of(
        cls, settings: AugmentationSettings, size: tuple[int, int], fill: tuple[int, int, int]
    ) -> "Augmentation":
        """Build the pipeline of a recipe; `fill` is the colour of the canvas beyond the image."""
        colours = DistortColours(settings.photometric)
        flips = FlipHorizontally(settings.flip), FlipVertically(settings.vertical_flip)
        expand, crop = Expand(settings.expand), CropAroundObjects(settings.crop)
        render = Render(size, settings.interpolations, fill)
        every = (colours, expand, crop, *flips)
        return cls(
            variations=every,
            clean_variations=(colours, *flips) if settings.clean_size else every,
            render=render,
            # Objects are smaller in a tile as they are; an expanded image would lose them.
            mosaic=Mosaic((colours, crop, *flips), render),
            mosaic_probability=settings.mosaic,
            mixup_probability=settings.mixup,
        )


def _sometimes(probability: float, random: torch.Generator) -> bool:
    """Draw true with this probability; nothing is drawn for 0, for the numbers of older runs."""
    return probability > 0 and happens(probability, random)
