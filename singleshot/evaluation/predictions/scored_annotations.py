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
from singleshot.evaluation.predictions.gather import Gathering
from singleshot.evaluation.predictions.json_pieces import opened_json
from singleshot.evaluation.predictions.names import (
    UNKNOWN,
    ImageIds,
    ImageNames,
    refuse_second_name,
)

__all__ = ["gather"]


@dataclass
class Declared:
    """The names that the document gives to its ids, and which of its lists are there."""

    images: dict[object, str] = field(default_factory=dict)
    classes: dict[object, str] = field(default_factory=dict)
    lists: set[str] = field(default_factory=set)


def gather(path: Path, dataset: DataSet, *, names: ImageNames, gathering: Gathering) -> bool:
    """Add all detections of the document; False when it is an object of another kind.

    It is read twice, because the categories often come last.
    """
    declared = declared_in(path)
    if not declared.lists >= {"images", "annotations", "categories"}:
        return False
    name_of: dict[int, str] = {}
    for name in declared.images.values():
        refuse_second_name(path, names[name], name, name_of)
    label_of: dict[object, int] = {name: label for label, name in enumerate(dataset.class_names)}
    lookup = coco_results.Lookup(
        images=ImageIds({key: names[name] for key, name in declared.images.items()}, names),
        labels={
            **label_of,  # an annotation may name its class itself
            **{key: label_of.get(name, UNKNOWN) for key, name in declared.classes.items()},
        },
        image_names=declared.images,
        class_names=declared.classes,
    )
    coco_results.gather(items(path, "annotations"), path, lookup=lookup, gathering=gathering)
    return True


def declared_in(path: Path) -> Declared:
    """The images and categories of the document."""
    declared = Declared()
    for key, batch in lists(path):
        declared.lists.add(key)
        if key == "images":
            add_names(declared.images, batch, "file_name", f"{path}: images")
        elif key == "categories":
            add_names(declared.classes, batch, "name", f"{path}: categories")
    return declared


def add_names(names: dict[object, str], batch: list[Any], key: str, place: str) -> None:
    """Keep the name of each id."""
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


def items(path: Path, wanted: str) -> Iterator[list[Any]]:
    """The items of one of the lists, some at a time."""
    return (batch for key, batch in lists(path) if key == wanted and batch)


def lists(path: Path) -> Iterator[tuple[str, list[Any]]]:
    """(key, some items) of all lists of the document, other values left out."""
    with opened_json(path) as document:
        for key in document.members():
            if document.next_character() == "[":
                yield key, []
                yield from ((key, batch) for batch in document.batches())
            else:
                document.value()
        document.finish()
