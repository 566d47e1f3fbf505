"""Images of a data set found by the names and ids in files of predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from singleshot.data.dataset import DataSet
from singleshot.data.image_files.suffixes import image_suffixes
from singleshot.errors import DataError

__all__ = [
    "AMBIGUOUS",
    "UNKNOWN",
    "ImageIds",
    "ImageNames",
    "path_parts",
    "refuse_second_name",
]

UNKNOWN = -1
AMBIGUOUS = -2


class ImageNames(dict[object, int]):
    """Index of an image by its file name, with or without folders and suffix.

    Of several images with one file name, the one whose folders agree the furthest is taken.
    """

    def __init__(self, dataset: DataSet) -> None:
        super().__init__()
        self.paths = dataset.paths
        self.of_stem: dict[str, list[int]] = {}
        for index, path in enumerate(dataset.paths.tolist()):
            self.of_stem.setdefault(path_parts(path)[-1], []).append(index)

    def __missing__(self, name: object) -> int:
        """Look up a name when it occurs for the first time."""
        self[name] = self.find(name) if isinstance(name, str) else UNKNOWN
        return self[name]

    def find(self, name: str) -> int:
        """Find the index of the image, UNKNOWN or AMBIGUOUS."""
        parts = path_parts(name)
        candidates = self.of_stem.get(parts[-1], [])
        if len(candidates) < 2:
            return candidates[0] if candidates else UNKNOWN
        agreement = [self.agreement(index, name, parts) for index in candidates]
        best = max(agreement)
        return candidates[agreement.index(best)] if agreement.count(best) == 1 else AMBIGUOUS

    def agreement(self, index: int, name: str, parts: Sequence[str]) -> tuple[int, bool]:
        """Count the folders that agree, from the file upwards, and compare the suffix."""
        path = str(self.paths[index])
        agree = [
            ours == theirs
            for ours, theirs in zip(path_parts(path)[::-1], parts[::-1], strict=False)
        ]
        num_agreeing = agree.index(False) if False in agree else len(agree)
        return num_agreeing, Path(path).suffix == Path(name).suffix

    def shortest(self, index: int) -> str:
        """Find the shortest unambiguous ending of an image's path, without suffix if possible.

        The whole path if there is none, because another image's path ends with it.
        """
        *folders, last = Path(self.paths[index]).as_posix().split("/")
        # Lazily: the first is hardly ever ambiguous.
        endings = ("/".join([*folders[len(folders) - num :], last]) for num in range(len(folders)))
        candidates = chain([path_parts(last)[-1]], endings)
        found = (name for name in candidates if self.find(name) == index)
        return next(found, str(self.paths[index]))


class ImageIds(dict[object, int]):
    """Index of an image by its id, or by its name if the key is text."""

    def __init__(self, index_of: Mapping[object, int], names: ImageNames) -> None:
        super().__init__(index_of)
        self.names = names

    @classmethod
    def of(cls, dataset: DataSet, names: ImageNames) -> ImageIds:
        """Index the images of the data set.

        Numbers that are only a count are no ids: another split has the same ones.
        """
        ids = dataset.image_ids.tolist() if dataset.has_ids else []
        index_of: dict[object, int] = {key: index for index, key in enumerate(ids)}
        others: dict[object, int] = {
            key: index_of[one] for key, one in dataset.other_ids.items() if one in index_of
        }
        return cls(index_of | others, names)

    def __missing__(self, key: object) -> int:
        return self.names[key]


def path_parts(name: str) -> list[str]:
    """Split a path into folders and stem; "2007.12" may be a stem, "2007.jpg" is none."""
    *folders, last = name.replace("\\", "/").split("/")
    stem, dot, suffix = last.rpartition(".")
    return [*folders, stem if dot + suffix.lower() in image_suffixes() else last]


def refuse_second_name(path: Path, index: int, name: str, name_of: dict[int, str]) -> None:
    """Raise DataError if a file has two names for one image: two images would become one."""
    if index >= 0 and name_of.setdefault(index, name) != name:
        raise DataError(
            f"{path}: {name_of[index]!r} and {name!r} would both be the same image of the data "
            "set; rename one, or score each with its own data"
        )
