"""A family of detectors: the value of `model.kind`, its settings, and what builds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, runtime_checkable

from singleshot.detectors.common.settings import DetectorSettings
from singleshot.plugins import Extension

if TYPE_CHECKING:
    from singleshot.detectors.detector import Objective, TrainableDetector

__all__ = ["Distil", "Family"]

S = TypeVar("S", bound=DetectorSettings)


@runtime_checkable
class Distil(Protocol):
    """Adds the outputs of a teacher to the losses of a student."""

    def __call__(
        self,
        student: TrainableDetector,
        teacher: TrainableDetector,
        *,
        weight: float,
        score_threshold: float,
        source: str,
    ) -> tuple[Objective, str]:
        """Return what to minimise, and a sentence on how; `source` of the teacher is for errors."""
        ...


@dataclass(frozen=True)
class Family(Extension, Generic[S]):
    """A kind of detector. Its package is read without PyTorch; `build` imports the network."""

    kind: str
    settings: type[S]
    build: Callable[[S, Sequence[str], bool], Any]  # settings, class names, pretrained
    distil: Distil | None = None  # where the family has a distillation loss
    exports: bool = False  # whether its detectors have raw outputs at priors (`Exportable`)

    @property
    def key(self) -> str:
        """The value of `model.kind`."""
        return self.kind
