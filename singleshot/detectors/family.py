"""A family of detectors: the value of `model.kind`, its settings, and what builds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from singleshot.detectors.common.settings import DetectorSettings
from singleshot.plugins import Extension

if TYPE_CHECKING:
    pass

__all__ = ["Family"]

S = TypeVar("S", bound=DetectorSettings)


@dataclass(frozen=True)
class Family(Extension, Generic[S]):
    """A kind of detector. Its package is read without PyTorch; `build` imports the network."""

    settings: type[S]
    build: Callable[[S, Sequence[str], bool], Any]  # settings, class names, pretrained
