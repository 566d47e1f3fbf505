"""Classes that are renamed, joined or left out as a data set is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from singleshot.data.dataset import DataSet
from singleshot.data.findings import Findings

__all__ = ["rename_classes"]


def rename_classes(dataset: DataSet, new_names: Mapping[str, str], findings: Findings) -> DataSet:
    """Rename classes; those of one new name become one class, those renamed to "" are left out.

    An image whose objects are all left out stays, without objects. A class that keeps its name
    keeps its category id. What is renamed is counted, and so is a name that is no class: another
    split, or another of several data sets, may have it.
    """
    known = dataset.class_names
    for old, new in new_names.items():
        if old not in known:
            findings.add("no-such-class", f"{old}={new}", f"classes are {', '.join(known)}")
    renamed = [new_names.get(name, name) for name in known]
    class_names = tuple(dict.fromkeys(filter(None, renamed)))
    pairs = [*zip(renamed, known, dataset.category_ids, strict=True)]
    ids = {new: number for new, _, number in reversed(pairs)}
    ids |= {new: number for new, old, number in pairs if new == old}
    number_of = {name: number for number, name in enumerate(class_names)}
    _report(dataset, new_names, findings)
    new_labels = torch.tensor([number_of.get(name, -1) for name in renamed], dtype=torch.int64)
    labels = new_labels[dataset.truths.labels]
    kept = labels >= 0
    ends = torch.cat([torch.zeros(1, dtype=torch.int64), kept.cumsum(0)])[dataset.ends]
    return replace(
        dataset,
        class_names=class_names,
        truths=replace(dataset.truths, labels=labels)[kept],
        ends=ends,
        category_ids=tuple(ids[name] for name in class_names),
    )


def _report(dataset: DataSet, new_names: Mapping[str, str], findings: Findings) -> None:
    """Count the objects of each class that gets another name or none."""
    counts = torch.bincount(dataset.truths.labels, minlength=len(dataset.class_names)).tolist()
    for name, count in zip(dataset.class_names, counts, strict=True):
        if name in new_names:
            kind = "renamed-class" if new_names[name] else "left-out-class"
            change = f"{name} to {new_names[name]}" if new_names[name] else name
            findings.add(kind, f"{change} ({count:,})")
