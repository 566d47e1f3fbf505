"""Findings about image files: turned, grey, CMYK, broken, and those that are the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath

import numpy as np

from singleshot.data.dataset import DataSet
from singleshot.data.findings import Findings
from singleshot.data.image_files.duplicates import find_duplicates
from singleshot.data.image_files.headers import ImageHeader
from singleshot.inspection.check.splits import Members, separate_splits, splits_of_image

__all__ = ["check_duplicates", "check_headers"]

# Pillow's modes of one channel, with or without transparency.
_GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F")
MOST_NAMED = 4  # images of a group


def check_headers(headers: Mapping[str, ImageHeader], findings: Findings) -> None:
    """Find images that are turned by EXIF, and those of another colour space than the others."""
    grey = {path for path, header in headers.items() if header.mode in _GREY}
    cmyk = {path for path, header in headers.items() if header.mode == "CMYK"}
    turned = {one.image for one in findings if one.kind == "turned"}  # with their boxes
    for path, header in headers.items():
        if header.orientation != 1 and path not in turned:
            orientation = f"orientation {header.orientation}"
            findings.add("turned-by-exif", PurePath(path).name, orientation, image=path)
    for kind, some in (("grey-image", grey), ("cmyk-image", cmyk)):
        if len(some) < len(headers):  # all of them: no exception
            for path in sorted(some):
                findings.add(kind, PurePath(path).name, headers[path].mode, image=path)


def check_duplicates(
    dataset: DataSet,
    members: Members,
    headers: Mapping[str, ImageHeader],
    findings: Findings,
    progress: Callable[[int, int], None],
) -> None:
    """Find images that cannot be decoded, that are the same or that look alike."""
    there = np.array([index for index, path in enumerate(dataset.paths) if path in headers], int)
    found = find_duplicates(dataset.paths[there].tolist(), progress=progress)
    for index, reason in found.unreadable.items():
        path = str(dataset.paths[there[index]])
        if headers[path].state == "whole":  # what is cut short was found before
            findings.add("broken-image", path, reason.removeprefix(f"{path}: "), image=path)
    exact = [there[group].tolist() for group in found.exact]
    near = [there[group].tolist() for group in found.near]
    separate = separate_splits(members)
    for kind, groups in (("copy", exact), ("alike", near)):
        for group in groups:
            _add_group(dataset, separate, kind, group, findings)


def _add_group(
    dataset: DataSet, members: Members, kind: str, group: Sequence[int], findings: Findings
) -> None:
    """Add a finding about images that are the same, perhaps in different splits."""
    splits = [splits_of_image(members, index) for index in group]
    names = {name for of_image in splits for name in of_image}
    names_of = [
        PurePath(dataset.paths[index]).name + (f" ({', '.join(own)})" if own else "")
        for index, own in zip(group, splits, strict=True)
    ]
    more = f" and {len(group) - MOST_NAMED} more" if len(group) > MOST_NAMED else ""
    paths = [str(dataset.paths[index]) for index in group]
    kind = f"{kind}-across-splits" if len(names) > 1 else kind
    place = (" = " if kind.startswith("copy") else ", ").join(names_of[:MOST_NAMED]) + more
    differ = kind.startswith("copy") and len({_annotation(dataset, index) for index in group}) > 1
    detail = "annotated differently" if differ else ""
    findings.add(kind, place, detail, image=paths[0], others=tuple(paths[1:]))


def _annotation(dataset: DataSet, index: int) -> tuple[tuple[float, ...], ...]:
    """List the objects of an image so that annotations can be compared; order does not matter."""
    truth = dataset.truth(index)
    rows = zip(truth.labels.tolist(), truth.boxes.round().tolist(), strict=True)
    return tuple(sorted((label, *box) for label, box in rows))
