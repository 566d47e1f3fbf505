"""Remarks on a data set: what is likely to matter in training, with a remedy."""

from __future__ import annotations

from singleshot.errors import some_of
from singleshot.inspection.statistics.result import DataStatistics

__all__ = ["remark_on_data"]

FEW_OBJECTS = 20
MANY_TIMES = 50  # one class more frequent than another
MOSTLY = 0.4
SMALL_SHARE = 0.05  # of the image's side: 15 pixels of an input of 300


def remark_on_data(result: DataStatistics) -> list[str]:
    """List remarks, each a sentence."""
    return [
        *_on_frequencies(result),
        *_on_splits(result),
        *_on_sizes(result),
    ]


def _on_frequencies(result: DataStatistics) -> list[str]:
    remarks = []
    classes = result.per_class
    none = [name for name, one in classes.items() if not one.objects]
    few = [name for name, one in classes.items() if 0 < one.objects < FEW_OBJECTS]
    if none:
        remarks.append(f"Without objects: {some_of(none)}.")
    if few:
        remarks.append(
            f"Fewer than {FEW_OBJECTS} objects: {some_of(few)}. Their scores will be a matter of "
            f"chance; annotate more of them, or join or leave out these classes."
        )
    counts = {name: one.objects for name, one in classes.items() if one.objects}
    if len(counts) > 1:
        most, least = (
            max(counts, key=lambda name: counts[name]),
            min(counts, key=lambda name: counts[name]),
        )
        if counts[most] >= MANY_TIMES * counts[least]:
            remarks.append(
                f"{most} is {counts[most] / counts[least]:,.0f} times as frequent as {least}: "
                f"look at each class in the evaluation, the mean hides rare ones."
            )
    return remarks


def _on_splits(result: DataStatistics) -> list[str]:
    return [
        f"Not in the split {split}: {some_of(missing)}."
        for split in result.splits
        if (
            missing := [
                name
                for name, one in result.per_class.items()
                if one.objects and not one.splits[split]
            ]
        )
    ]


def _on_sizes(result: DataStatistics) -> list[str]:
    remarks = []
    share = result.all.share_of_image.median
    if share is not None and share < SMALL_SHARE:
        remarks.append(
            f"Half of the objects are smaller than {100 * share:.1f} % of the image’s side, which "
            f"is {300 * share:.0f} pixels of an input of 300: take a larger input, or cut the "
            f"images into tiles."
        )
    if result.images and result.images_without_objects / result.images > MOSTLY:
        remarks.append(
            f"{result.images_without_objects:,} of {result.images:,} images have no object: "
            f"check that their annotations were not lost."
        )
    return remarks
