"""The contract of an annotation format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from singleshot.data.formats.annotations import Annotations
from singleshot.plugins import Extension

if TYPE_CHECKING:
    from singleshot.data.dataset import DataSet
else:
    DataSet = Any  # importing it would import PyTorch, which recognising does without

__all__ = ["LEFT_OUT", "Format", "Loss", "ReadAnnotations", "WriteDataSet"]


# difficult: objects; crowd: regions; narrow: boxes narrower than a pixel; area: annotated areas
# other than the boxes'; id: of images; classes: without objects; overlap: images in two splits.
Loss = Literal["difficult", "crowd", "narrow", "area", "id", "classes", "overlap"]
LEFT_OUT = "are left out"


@runtime_checkable
class ReadAnnotations(Protocol):
    """Reads annotations as they are written; images are found and read later."""

    def __call__(self, path: Path, split: str | None = None, /) -> Sequence[Annotations] | DataSet:
        """Read the annotations of a split, or all: one for each file that has ids of its own.

        A format whose files hold what was checked when they were written returns the data set.
        """


@runtime_checkable
class WriteDataSet(Protocol):
    """Writes annotations and copies of the images."""

    def __call__(
        self, dataset: DataSet, path: Path, /, *, splits: Mapping[str, Sequence[int]] | None = None
    ) -> None:
        """Write a data set into a folder; `splits` are indices of images by name."""


@dataclass(frozen=True)
class Format(Extension):
    """An annotation format: a file with these functions, and an entry in the list of formats.

    What `write` writes, `recognise` accepts and `read` reads as the same images, classes, boxes and
    flags, but for what the format has no place for. All differences of a format from ours (1-based
    pixels, widths, class numbers) stay in its file; what is the same for all (missing images,
    sizes, boxes without area) is in `assembly`.

    `recognise` looks at names and first bytes only, raises nothing, and is false for every other
    format. `read` collects what is wrong with an entry in the findings of its annotations and
    continues; a DataError, which names the file, is for a file that cannot be read at all.
    """

    name: str  # "VOC"
    layout: str  # what `recognise` looks for, for the error about an unknown data set
    recognise: Callable[[Path], bool]
    splits: Callable[[Path], tuple[str, ...]]  # names of the splits that a data set defines
    read: ReadAnnotations
    write: WriteDataSet
    # What the format has no place for, and what `write` does with it; see `Loss`.
    without: Mapping[Loss, str] = field(default_factory=dict)
    # Further splits that `read` makes of those, and in words of which.
    derived_splits: Callable[[Path], Mapping[str, str]] = lambda _: {}

    @property
    def key(self) -> str:
        """The name that messages use."""
        return self.name
