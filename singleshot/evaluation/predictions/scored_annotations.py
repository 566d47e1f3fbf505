"""COCO annotations with a `score` each, as many tools export detections.

`{"images": [...], "annotations": [...], "categories": [...]}` with ids of its own: images are
found in the data set by their file names, classes by their names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from singleshot.data.dataset import DataSet
from singleshot.errors import DataError
from singleshot.evaluation.predictions import coco_results
from singleshot.evaluation.predictions.collector import PredictionCollector
from singleshot.evaluation.predictions.image_names import (
    UNKNOWN,
    ImageIds,
    ImageNames,
    refuse_second_name,
)
from singleshot.evaluation.predictions.json_stream import open_json_stream

__all__ = ["read"]


@dataclass
class _Declarations:
    """Names that the document gives to its ids, and the lists that it has."""

    images: dict[object, str] = field(default_factory=dict)
    classes: dict[object, str] = field(default_factory=dict)
    lists: set[str] = field(default_factory=set)


def read(
    path: Path, dataset: DataSet, *, names: ImageNames, collector: PredictionCollector
) -> bool:
    """Add all detections of the document; False when it is an object of another kind.

    It is read twice, because the categories often come last.
    """
    declared = read_declarations(path)
    if not declared.lists >= {"images", "annotations", "categories"}:
        return False
    name_of: dict[int, str] = {}
    for name in declared.images.values():
        refuse_second_name(path, names[name], name, name_of)
    label_of: dict[object, int] = {name: label for label, name in enumerate(dataset.class_names)}
    lookup = coco_results.IdLookup(
        images=ImageIds({key: names[name] for key, name in declared.images.items()}, names),
        labels={
            **label_of,  # an annotation may name its class itself
            **{key: label_of.get(name, UNKNOWN) for key, name in declared.classes.items()},
        },
        image_names=declared.images,
        class_names=declared.classes,
    )
    coco_results.read(items_of(path, "annotations"), path, lookup=lookup, collector=collector)
    return True


def read_declarations(path: Path) -> _Declarations:
    """Read the images and categories of the document."""
    declared = _Declarations()
    for key, batch in lists_of(path):
        declared.lists.add(key)
        if key == "images":
            add_names(declared.images, batch, "file_name", f"{path}: images")
        elif key == "categories":
            add_names(declared.classes, batch, "name", f"{path}: categories")
    return declared


def add_names(names: dict[object, str], batch: list[Any], key: str, place: str) -> None:
    """Store the name of each id."""
    for entry in batch:
        try:
            number, name = entry["id"], str(entry[key])
            if names.setdefault(number, name) != name:
                raise ValueError
        except (KeyError, TypeError):
            raise DataError(f"{place}: {entry} needs 'id' and {key!r}; add them") from None
        except ValueError:
            raise DataError(
                f"{place}: id {number} means both {names[number]!r} and {name!r}; "
                "give each its own id"
            ) from None


def items_of(path: Path, name: str) -> Iterator[list[Any]]:
    """Read the items of one of the lists, some at a time."""
    return (batch for key, batch in lists_of(path) if key == name and batch)


def lists_of(path: Path) -> Iterator[tuple[str, list[Any]]]:
    """Read (key, some items) of all lists of the document, without other values."""
    with open_json_stream(path) as document:
        for key in document.members():
            if document.next_character() == "[":
                yield key, []
                yield from ((key, batch) for batch in document.batches())
            else:
                document.value()
        document.finish()
