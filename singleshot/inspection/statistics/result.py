"""Description of a data set, as Python and JSON have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64

from singleshot.inspection.statistics.measure import (
    ObjectArrays,
    Spread,
    centre_map,
    count_together,
    split_counts,
)

__all__ = ["ClassStatistics", "DataStatistics", "ImageSize", "SplitCount"]

MOST_SIZES = 20  # of images that are listed
MOST_CLASSES = 20  # among which co-occurrence is counted: the most frequent ones
MOST_PAIRS = 20
MAP_SIDE = 16  # cells of the map of centres


@dataclass(frozen=True)
class SplitCount:
    """Images and objects of one split."""

    images: int
    objects: int


@dataclass(frozen=True)
class ClassStatistics:
    """Objects of one class, or of all; sizes are sides of squares of the same area."""

    images: int
    objects: int
    share: float | None  # of all objects
    difficult: int  # among the objects
    crowds: int  # regions, which are not among the objects
    size: Spread  # pixels
    share_of_image: Spread  # size by that of the image
    aspect_ratio: Spread  # width / height
    coco_sizes: Mapping[str, int]
    splits: Mapping[str, int]  # objects in each split


@dataclass(frozen=True)
class ImageSize:
    """Images of one size in pixels."""

    width: int
    height: int
    images: int


@dataclass(frozen=True)
class DataStatistics:
    """Counts, sizes, shapes and places of the objects of a data set."""

    data: str  # "VOC layout of cells"
    notes: tuple[str, ...]  # of the reader
    images: int
    images_without_objects: int
    splits: Mapping[str, SplitCount]
    all: ClassStatistics
    per_class: Mapping[str, ClassStatistics]
    objects_per_image: Spread
    most_objects: int  # in an image
    image_sizes: tuple[ImageSize, ...]  # the most frequent first
    num_image_sizes: int  # different ones
    images_of_unknown_size: int
    centres: tuple[tuple[int, ...], ...]  # in cells of the image, from the top
    pairs: tuple[tuple[str, str, int], ...]  # classes in one image, and how many images
    page: Path | None

    @classmethod
    def of(
        cls,
        objects: ObjectArrays,
        members: Mapping[str, Bool[np.ndarray, " images"]],
        *,
        data: str,
        notes: Sequence[str],
        page: Path | None,
    ) -> DataStatistics:
        """Compute all numbers; `members` marks the images of each split."""
        per_image = objects.counts_of_images()
        sizes, counts, num_unknown = _count_sizes(objects.image_sizes)
        of_splits = split_counts(objects, members)
        return cls(
            data=data,
            notes=tuple(notes),
            images=len(per_image),
            images_without_objects=int((per_image == 0).sum()),
            splits={
                name: SplitCount(images, int(of_class.sum()))
                for name, (images, of_class) in of_splits.items()
            },
            all=_describe(
                objects,
                images=int((per_image > 0).sum()),
                total=len(objects),
                crowds=int(objects.crowds.sum()),
                splits={name: int(of_class.sum()) for name, (_, of_class) in of_splits.items()},
            ),
            per_class=_describe_classes(objects, of_splits),
            objects_per_image=Spread.of(per_image.astype(np.float64)),
            most_objects=int(per_image.max(initial=0)),
            image_sizes=tuple(
                ImageSize(int(width), int(height), int(count))
                for (height, width), count in zip(
                    sizes[:MOST_SIZES], counts[:MOST_SIZES], strict=True
                )
            ),
            num_image_sizes=len(sizes),
            images_of_unknown_size=num_unknown,
            centres=tuple(
                tuple(row)
                for row in centre_map(objects.in_known_images.boxes_unit(), MAP_SIDE).tolist()
            ),
            pairs=_frequent_pairs(objects),
            page=page,
        )

    def to_json(self) -> dict[str, object]:
        """Return the document that `--json` prints."""
        document = asdict(self)
        document["objects"] = self.all.objects
        document["pairs"] = [
            {"classes": [first, second], "images": count} for first, second, count in self.pairs
        ]
        del document["page"]
        return document


def _describe(
    objects: ObjectArrays, *, images: int, total: int, crowds: int, splits: Mapping[str, int]
) -> ClassStatistics:
    """Describe some of the objects, of which there are `total` in all."""
    return ClassStatistics(
        images=images,
        objects=len(objects),
        share=round(len(objects) / total, 4) if total else None,
        difficult=int(objects.difficult.sum()),
        crowds=crowds,
        size=Spread.of(objects.lengths),
        share_of_image=Spread.of(objects.shares_of_image()),
        aspect_ratio=Spread.of(objects.aspect_ratios),
        coco_sizes=objects.coco_sizes(),
        splits=splits,
    )


def _describe_classes(
    objects: ObjectArrays, of_splits: Mapping[str, tuple[int, Int64[np.ndarray, " classes"]]]
) -> dict[str, ClassStatistics]:
    """Describe each class, the most frequent first."""
    images = objects.images_of_class()
    described = [
        _describe(
            of_class,
            images=int(images[label]),
            total=len(objects),
            crowds=int(objects.crowds[label]),
            splits={name: int(counts[label]) for name, (_, counts) in of_splits.items()},
        )
        for label, of_class in enumerate(objects.of_each_class())
    ]
    order = sorted(range(len(described)), key=lambda label: -described[label].objects)
    return {objects.class_names[label]: described[label] for label in order}


def _count_sizes(
    image_sizes: Int64[np.ndarray, "images 2"],
) -> tuple[Int64[np.ndarray, "k 2"], Int64[np.ndarray, " k"], int]:
    """Count the images of each size, the most frequent first, and those of unknown size."""
    known = image_sizes[(image_sizes > 0).all(axis=1)]
    sizes, counts = np.unique(known, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return sizes[order], counts[order].astype(np.int64), len(image_sizes) - len(known)


def _frequent_pairs(objects: ObjectArrays) -> tuple[tuple[str, str, int], ...]:
    """List the pairs of classes that are in one image most often, among the frequent classes."""
    frequent = np.argsort(-objects.images_of_class(), kind="stable")[:MOST_CLASSES]
    table = np.triu(count_together(objects, frequent), 1)
    rows, columns = np.nonzero(table)
    order = np.argsort(-table[rows, columns], kind="stable")[:MOST_PAIRS]
    names = [objects.class_names[label] for label in frequent]
    return tuple(
        (names[row], names[column], int(table[row, column]))
        for row, column in zip(rows[order], columns[order], strict=True)
    )
