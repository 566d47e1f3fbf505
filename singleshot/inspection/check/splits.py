"""Images of each split: those in several, and those in none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

import numpy as np
from jaxtyping import Bool

from singleshot.data.dataset import DataSet
from singleshot.data.findings import Findings
from singleshot.data.formats.split_names import names_split
from singleshot.data.opening import read_with_findings, splits_of
from singleshot.data.reading import ReadingOptions

__all__ = ["Members", "check_splits", "read_members", "separate_splits"]

# Splits by name: the images of the data set that each has.
Members = Mapping[str, Bool[np.ndarray, " n"]]

# Errors of a split that reading everything does not show: a list of images without annotations.
_OF_SPLIT = ("entry", "file")


def read_members(
    path: Path, dataset: DataSet, reading: ReadingOptions, findings: Findings
) -> Members:
    """Read which images of a data set each of its splits has; errors of a split are added."""
    names = splits_of(path, reading)
    if path.is_file():
        return {}
    members = {}
    known = set(findings)
    for name in names:
        split, found = read_with_findings(path, name, reading, images="unread")
        members[name] = dataset.paths.isin(split.paths)
        new = [one for one in found if one.kind in _OF_SPLIT and one not in known]
        findings.extend(new)
        known.update(new)
    return members


def separate_splits(members: Members) -> Members:
    """Leave out splits that are made of others, as VOC's `trainval` is of `train` and `val`."""
    return {
        name: images
        for name, images in members.items()
        if _is_usual(name)
        or not any(
            other.any() and not (other & ~images).any()
            for other_name, other in members.items()
            if other_name != name
        )
    }


def check_splits(dataset: DataSet, members: Members, findings: Findings) -> None:
    """Find images in more than one split, and those in none."""
    if not members:
        return
    separate = separate_splits(members)
    counts = np.sum(list(separate.values()), axis=0)
    for index in np.flatnonzero(counts > 1).tolist():
        path = str(dataset.paths[index])
        splits = ", ".join(splits_of_image(separate, index))
        findings.add("shared-by-splits", PurePath(path).name, splits, image=path)
    for path in dataset.paths[~np.any(list(members.values()), axis=0)].tolist():
        findings.add("in-no-split", PurePath(path).name, image=path)


def splits_of_image(members: Members, index: int) -> Sequence[str]:
    """List the splits that an image is in."""
    return [name for name, images in members.items() if images[index]]


def _is_usual(name: str) -> bool:
    """Check for `train`, `val`, `test` and the like, perhaps with a year."""
    return names_split(re.sub(r"^\d+-", "", name))
