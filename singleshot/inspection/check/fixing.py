"""A fixed copy of a data set: what is left out, corrected, joined, and the log of it.

Of identical images one stays: that in a split to evaluate on, so that numbers on the test images
stay comparable with published ones; else the first. An image in several splits stays in the one to
evaluate on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

import numpy as np
import torch
from jaxtyping import Bool

from singleshot.data.assembly import group_similar
from singleshot.data.dataset import DataSet
from singleshot.data.findings import Finding
from singleshot.data.object_checks import second_annotations
from singleshot.data.opening import format_of, splits_of
from singleshot.errors import DataError
from singleshot.inspection.check.check import Checked
from singleshot.inspection.check.copy_files import Change, write_copy
from singleshot.inspection.check.explanations import EXPLANATIONS
from singleshot.inspection.check.options import CheckOptions
from singleshot.inspection.check.result import CheckResult, FixedCopy
from singleshot.inspection.check.splits import Members, separate_splits, splits_of_image

__all__ = ["write_fixed_copy"]

# What is done about findings that need no decision: the reader has done most of it.
_DONE: Mapping[str, str] = {
    "entry": "left out",
    "file": "left out",
    "missing-image": "left out",
    "ambiguous-image": "left out",
    "outside-link": "left out",
    "size": "left out",
    "skipped": "left out",
    "unreadable-image": "left out",
    "broken-image": "left out",
    "truncated-image": "saved anew",
    "without-area": "left out",
    "outside": "left out",
    "clipped": "clipped to the image",
    "mostly-outside": "clipped to the image",
    "swapped": "corners put in order",
    "polygon": "box around it written",
    "rotated": "box around it written",
    "no-box": "left out",
    "several-boxes": "an object written for each box",
    "turned": "boxes turned with the image",
    "rescaled": "boxes scaled to the image",
    "renamed-class": "renamed",
    "left-out-class": "left out",
    "merged": "entries joined",
    "found-by-name": "file name corrected",
}
# Not to be fixed before it is known what is meant.
_UNCLEAR = ("fractions", "pixels", "no-images", "no-usable-image", "no-object")
_EVALUATION = (r"test(ing)?", r"(val(id|idation)?|dev)")  # names of splits, the most worth first


@dataclass
class _Fixing:
    """A data set that is being fixed."""

    dataset: DataSet
    splits: dict[str, Bool[np.ndarray, " n"]]
    kept: Bool[np.ndarray, " n"]
    log: list[Change] = field(default_factory=list)

    def add(self, finding: Finding, done: str) -> None:
        """Log what was done about a finding."""
        one = finding
        self.log.append(Change(one.kind, one.image, one.place, one.detail, done))


def write_fixed_copy(checked: Checked, result: CheckResult, options: CheckOptions) -> FixedCopy:
    """Write a copy without what can be fixed, and its log; whole or not at all.

    Raises:
        DataError: it is not known what is meant, as with boxes that may be fractions.
        StorageError: the copy cannot be written.
    """
    assert options.fix is not None
    for one in checked.findings:
        if one.kind in _UNCLEAR:
            explanation = EXPLANATIONS[one.kind]
            raise DataError(f"nothing is written: {one.place}: {explanation.remedy}")
    fixed = _Fixing(
        checked.dataset, _splits_to_write(checked, options), np.ones(len(checked.dataset), bool)
    )
    for one in checked.findings:
        if one.kind in _DONE:
            fixed.add(one, _DONE[one.kind])
    fixed.kept &= ~checked.dataset.paths.isin(checked.broken())
    _drop_copies(fixed, checked)
    _separate_splits(fixed, checked)
    if not options.keep_classes:
        _join_classes(fixed)
    _drop_second_annotations(fixed)
    cut = [one.image for one in checked.findings if one.kind == "truncated-image"]
    chosen = np.flatnonzero(fixed.kept)
    position = np.cumsum(fixed.kept) - 1
    dataset = fixed.dataset.subset(chosen.tolist(), description=fixed.dataset.description)
    splits = {
        name: position[np.flatnonzero(images & fixed.kept)].tolist()
        for name, images in fixed.splits.items()
    }
    folder = Path(options.fix)
    kind = format_of(checked.path, options.reading)
    write_copy(kind, dataset, folder, splits=splits, cut=cut, log=fixed.log)
    return FixedCopy(
        folder,
        images=len(dataset),
        objects=len(dataset.truths),
        changes=len(fixed.log),
        not_fixed=_not_fixed(result, options),
    )


def _splits_to_write(checked: Checked, options: CheckOptions) -> dict[str, Bool[np.ndarray, " n"]]:
    """Return the splits of the copy; a file alone, or a chosen split, is one."""
    everything = np.ones(len(checked.dataset), bool)
    if options.split is not None:
        return {options.split.replace("+", "-"): everything}
    if checked.path.is_file():
        return dict.fromkeys(splits_of(checked.path, options.reading)[:1], everything)
    return {name: images.copy() for name, images in checked.members.items()}


def _drop_copies(fixed: _Fixing, checked: Checked) -> None:
    """Keep one of identical images."""
    index_of = checked.index_of()
    for one in checked.findings:
        if one.kind not in ("copy", "copy-across-splits"):
            continue
        paths = [one.image, *one.others]
        group = [index_of[path] for path in paths]
        kept = min(group, key=lambda index: _rank(checked.members, index))
        for index in group:
            if index != kept:
                fixed.kept[index] = False
                path = str(checked.dataset.paths[index])
                name = PurePath(checked.dataset.paths[kept]).name
                fixed.add(replace(one, image=path), f"left out, {name} kept")


def _rank(members: Members, index: int) -> int:
    """Rank an image by its splits: the lower, the more it is to be kept."""
    return min((_rank_of(name) for name in splits_of_image(members, index)), default=9)


def _rank_of(name: str) -> int:
    """Rank a split: to test on, to validate on, any other."""
    plain = re.sub(r"^\d+-|\d+$", "", name)
    ranks = [rank for rank, names in enumerate(_EVALUATION) if re.fullmatch(names, plain)]
    return ranks[0] if ranks else len(_EVALUATION)


def _separate_splits(fixed: _Fixing, checked: Checked) -> None:
    """Leave an image of several splits in one of them, and in the splits made of that one."""
    index_of = checked.index_of()
    separate = separate_splits(checked.members)
    made_of = {
        name: [part for part in separate if not (separate[part] & ~images).any()]
        for name, images in fixed.splits.items()
        if name not in separate
    }
    for one in checked.findings:
        if one.kind != "shared-by-splits":
            continue
        index = index_of[one.image]
        owners = splits_of_image(separate, index)
        kept = min(owners, key=_rank_of)
        for name, images in fixed.splits.items():
            images[index] &= name == kept or kept in made_of.get(name, ())
        fixed.add(one, f"kept in {kept} alone")


def _join_classes(fixed: _Fixing) -> None:
    """Join classes that differ by case or spaces alone, under the most frequent name."""
    dataset = fixed.dataset
    counts = np.bincount(dataset.truths.labels.numpy(), minlength=len(dataset.class_names))
    target = {
        label: max(labels, key=lambda one: counts[one])
        for labels in group_similar(dataset.class_names)
        for label in labels
    }
    kept = sorted(set(target.values()))
    if len(kept) == len(dataset.class_names):
        return
    for label, chosen in target.items():
        if label != chosen:
            old, new = dataset.class_names[label], dataset.class_names[chosen]
            detail, done = f"{counts[label]} objects", f"renamed to {new!r}"
            fixed.log.append(Change("similar-classes", "", repr(old), detail, done))
    number = {label: position for position, label in enumerate(kept)}
    labels_of = torch.tensor([number[target[label]] for label in range(len(target))])
    fixed.dataset = replace(
        dataset,
        class_names=tuple(dataset.class_names[label] for label in kept),
        category_ids=tuple(dataset.category_ids[label] for label in kept),
        truths=replace(dataset.truths, labels=labels_of[dataset.truths.labels]),
    )


def _drop_second_annotations(fixed: _Fixing) -> None:
    """Leave out boxes that annotate an object a second time."""
    dataset = fixed.dataset
    rows = second_annotations(dataset)
    for row in rows.tolist():
        path = str(dataset.paths[int(np.searchsorted(dataset.ends.numpy(), row, side="right"))])
        name = dataset.class_names[int(dataset.truths.labels[row])]
        box = ", ".join(f"{side:g}" for side in dataset.truths.boxes[row].tolist())
        place = f"{PurePath(path).name}: {name} at ({box})"
        fixed.log.append(Change("annotated-twice", path, place, "", "second box left out"))
    keep = torch.ones(len(dataset.truths), dtype=torch.bool)
    keep[torch.from_numpy(rows)] = False
    # A leading 0: an image may end where the objects begin.
    before = torch.cat([torch.zeros(1, dtype=torch.int64), keep.long().cumsum(0)])
    fixed.dataset = replace(dataset, truths=dataset.truths[keep], ends=before[dataset.ends])


def _not_fixed(result: CheckResult, options: CheckOptions) -> tuple[str, ...]:
    """List what the copy still has and somebody has to look at."""
    return tuple(
        one.title
        for one in result.kinds
        if (not EXPLANATIONS[one.kind].fixed and one.remedy)
        or (one.kind == "similar-classes" and options.keep_classes)
    )
