"""A data set: where its pictures are and what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from singleshot.data.pictures import read_picture
from singleshot.structures import Sample, Truth

__all__ = ["DataSet"]


@dataclass(frozen=True)
class DataSet:
    """Annotated pictures, read one at a time.

    Truths of all pictures are kept end to end in a few arrays rather than in an object each: worker
    processes then share their memory, however long the training runs.
    """

    class_names: tuple[str, ...]
    paths: np.ndarray  # of str: the picture files
    truths: Truth  # of all pictures, end to end
    ends: Tensor  # int64: where the truth of each picture ends
    image_ids: np.ndarray  # int64: COCO's own, else 0, 1, 2 …
    category_ids: tuple[int, ...]  # of the class names: COCO's own, with gaps, else 1, 2, 3 …
    description: str  # "VOC layout, split test of data/bccd": what was taken
    notes: tuple[str, ...] = ()  # what a person should be told once: "dropped 2 boxes without area …"

    @classmethod
    def of(
        cls,
        class_names: Sequence[str],
        pictures: Iterable[tuple[Path, Truth]],
        *,
        description: str,
        image_ids: Sequence[int] | None = None,
        category_ids: Sequence[int] | None = None,
        notes: Sequence[str] = (),
    ) -> DataSet:
        """Gather pictures and their truths, in order."""
        paths, truths = [], []
        for path, truth in pictures:
            paths.append(str(path))
            truths.append(truth)
        return cls(
            class_names=tuple(class_names),
            paths=np.array(paths, dtype=np.str_),
            truths=concatenate(truths),
            ends=torch.tensor([len(truth) for truth in truths], dtype=torch.int64).cumsum(0),
            image_ids=np.array(range(len(paths)) if image_ids is None else image_ids, np.int64),
            category_ids=tuple(range(1, len(class_names) + 1) if category_ids is None else category_ids),
            description=description,
            notes=tuple(notes),
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Sample:
        """Read a picture; DataError, naming the file, when it is broken."""
        path = str(self.paths[index])
        return Sample(read_picture(Path(path)), self.truth(index), path)

    def truth(self, index: int) -> Truth:
        """The annotation of one picture, without reading the picture."""
        start = int(self.ends[index - 1]) if index else 0
        return self.truths[start : int(self.ends[index])]

    def subset(self, indices: Sequence[int], *, description: str) -> DataSet:
        """The pictures with these indices, in this order."""
        truths = [self.truth(index) for index in indices]
        return replace(
            self,
            paths=self.paths[list(indices)],
            truths=concatenate(truths),
            ends=torch.tensor([len(truth) for truth in truths], dtype=torch.int64).cumsum(0),
            image_ids=self.image_ids[list(indices)],
            description=description,
        )


def concatenate(truths: Sequence[Truth]) -> Truth:
    """One truth after the other."""
    if not truths:
        return Truth.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    return Truth(
        boxes=torch.cat([truth.boxes for truth in truths]),
        labels=torch.cat([truth.labels for truth in truths]),
        difficult=torch.cat([truth.difficult for truth in truths]),
        crowd=torch.cat([truth.crowd for truth in truths]),
        areas=torch.cat([truth.areas for truth in truths]),
    )
