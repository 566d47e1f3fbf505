"""Images of a data set by what other people call them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from singleshot.data.dataset import DataSet
from singleshot.data.images import IMAGE_SUFFIXES
from singleshot.errors import DataError

__all__ = ["AMBIGUOUS", "UNKNOWN", "ImageIds", "ImageNames", "refuse_second_name"]

UNKNOWN = -1
AMBIGUOUS = -2


class ImageNames(dict[object, int]):
    """The index of an image by its name: the file's, with or without folders and suffix.

    Where several images have one file name, that one is meant whose folders agree the furthest.
    """

    def __init__(self, dataset: DataSet) -> None:
        super().__init__()
        self.paths = dataset.paths
        self.of_stem: dict[str, list[int]] = {}
        for index, path in enumerate(dataset.paths.tolist()):
            self.of_stem.setdefault(parts_of(path)[-1], []).append(index)

    def __missing__(self, name: object) -> int:
        """Look for a name when it is met for the first time."""
        self[name] = self.find(name) if isinstance(name, str) else UNKNOWN
        return self[name]

    def find(self, name: str) -> int:
        """Index of the image, UNKNOWN or AMBIGUOUS."""
        parts = parts_of(name)
        candidates = self.of_stem.get(parts[-1], [])
        if len(candidates) < 2:
            return candidates[0] if candidates else UNKNOWN
        agreement = [self.agreement(index, name, parts) for index in candidates]
        best = max(agreement)
        return candidates[agreement.index(best)] if agreement.count(best) == 1 else AMBIGUOUS

    def agreement(self, index: int, name: str, parts: Sequence[str]) -> tuple[int, bool]:
        """How many folders agree, counted from the file upwards, and whether the suffix does."""
        path = str(self.paths[index])
        agree = [
            ours == theirs for ours, theirs in zip(parts_of(path)[::-1], parts[::-1], strict=False)
        ]
        num_agreeing = agree.index(False) if False in agree else len(agree)
        return num_agreeing, Path(path).suffix == Path(name).suffix

    def shortest(self, index: int) -> str:
        """The shortest ending of an image's path, without suffix if possible, that finds it.

        The whole path where none does, because another image's path ends with it.
        """
        *folders, last = Path(self.paths[index]).as_posix().split("/")
        # One after the other: the first hardly ever leaves a doubt.
        endings = ("/".join([*folders[len(folders) - num :], last]) for num in range(len(folders)))
        candidates = chain([parts_of(last)[-1]], endings)
        found = (name for name in candidates if self.find(name) == index)
        return next(found, str(self.paths[index]))


class ImageIds(dict[object, int]):
    """The index of an image by its id, or by its name where there is text instead."""

    def __init__(self, index_of: Mapping[object, int], names: ImageNames) -> None:
        super().__init__(index_of)
        self.names = names

    @classmethod
    def of(cls, dataset: DataSet, names: ImageNames) -> ImageIds:
        """Those of the data set itself.

        Numbers that it only counted by are no ids: another split has the same ones.
        """
        ids = dataset.image_ids.tolist() if dataset.has_ids else []
        return cls({key: index for index, key in enumerate(ids)}, names)

    def __missing__(self, key: object) -> int:
        return self.names[key]


def parts_of(name: str) -> list[str]:
    """Folders and stem; only an image's suffix is cut off, because "2007.12" may be a stem."""
    *folders, last = name.replace("\\", "/").split("/")
    stem, dot, suffix = last.rpartition(".")
    return [*folders, stem if dot + suffix.lower() in IMAGE_SUFFIXES else last]


def refuse_second_name(path: Path, index: int, name: str, name_of: dict[int, str]) -> None:
    """DataError when a file has two names for one image: two images would become one."""
    if index >= 0 and name_of.setdefault(index, name) != name:
        raise DataError(
            f"{path}: {name_of[index]!r} and {name!r} would both be the same image of the data "
            "set; rename one, or score each with its own data"
        )
