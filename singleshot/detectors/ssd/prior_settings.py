"""The table `model.priors`: sizes and shapes of the priors, level by level."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from singleshot.settings import Positive, Settings

__all__ = ["PriorSettings"]


class PriorSettings(Settings):
    """Sizes and aspect ratios by the paper's rule, or every shape by itself."""

    sizes_unit: tuple[Positive, ...] = Field(
        (),
        description="fractions of the input's shorter side; one more than there are levels",
    )
    aspect_ratios: tuple[tuple[Positive, ...], ...] = Field(
        (), description="width / height, for each level; each is used with its inverse"
    )
    shapes_unit: tuple[tuple[tuple[Positive, Positive], ...], ...] = Field(
        (),
        description="instead of both: (width, height) of each prior of a cell, for each level, as "
        "fractions of the input's sides",
    )
    strides: tuple[Positive, ...] = Field(
        (),
        description="pixels between centres, where they span the input; else input / grid",
    )
    first_centres: tuple[Positive, ...] = Field(
        (), description="pixels of the first centre at each level; left out, half a stride"
    )
    fixed_strides: bool = Field(
        False, description="keep to strides even where they do not span the input"
    )
    whole_pixels: bool = Field(
        False, description="cut sizes to whole pixels, as the original's code does"
    )
    clip: Literal["none", "size", "centre", "corners"] = Field(
        "none",
        description="limit to the input: 'size': width and height; 'centre': those and the centre; "
        "'corners': what reaches beyond is cut off; the original does none of it",
    )
    offset_scales: tuple[Positive, Positive] = Field(
        (0.1, 0.2), description="of the centre's offsets and of the size's; Caffe's 'variances'"
    )

    @property
    def num_levels(self) -> int:
        """As the recipe says; the network must have as many."""
        return len(self.shapes_unit or self.aspect_ratios)

    @model_validator(mode="after")
    def entries_for_each_level(self) -> PriorSettings:
        """As many entries as the network has levels, everywhere."""
        if bool(self.shapes_unit) == bool(self.sizes_unit or self.aspect_ratios):
            raise ValueError("give either sizes_unit with aspect_ratios, or shapes_unit")
        if not self.shapes_unit and len(self.sizes_unit) != self.num_levels + 1:
            raise ValueError(
                f"{self.num_levels} levels of aspect_ratios want one more size than that, "
                f"but sizes_unit has {len(self.sizes_unit)}"
            )
        for key in ("strides", "first_centres"):
            number = len(getattr(self, key))
            if number not in {0, self.num_levels}:
                raise ValueError(f"{key} has {number} entries for {self.num_levels} levels")
        return self
