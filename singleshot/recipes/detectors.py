"""The table `model`: one of the kinds of detectors there are; an SSD unless `kind` says else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Discriminator, Tag

from singleshot.recipes.baselines.localizer import LocalizerSettings
from singleshot.recipes.model import SsdSettings

__all__ = ["DETECTOR_KINDS", "DetectorSettings", "kind_of"]

DETECTOR_KINDS = {"ssd", "localizer"}


def kind_of(content: object) -> object:
    """The tag of a table, or of settings."""
    if isinstance(content, Mapping):
        return content.get("kind", "ssd")
    return getattr(content, "kind", None)


DetectorSettings = Annotated[
    Annotated[SsdSettings, Tag("ssd")] | Annotated[LocalizerSettings, Tag("localizer")],
    Discriminator(kind_of),
]
