"""Tables of a data set for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from singleshot.report.text import table

__all__ = ["format_statistics"]

MOST_CLASSES = 40  # rows of a table
MOST_SIZES = 5
MOST_PAIRS = 5


def format_statistics(document: Mapping[str, Any]) -> str:
    """Format the document of `DataStatistics.to_json`."""
    parts = [_format_splits(document), _format_classes(document), _format_images(document)]
    return "\n\n".join(part for part in parts if part)


def _format_splits(document: Mapping[str, Any]) -> str:
    """Format images and objects of each split, and of all."""
    rows = [
        [name, _count(split["images"]), _count(split["objects"])]
        for name, split in document["splits"].items()
    ]
    rows.append(["all", _count(document["images"]), _count(document["objects"])])
    return table(["split", "images", "objects"], rows)


def _format_classes(document: Mapping[str, Any]) -> str:
    """Format a row for each class, at most so many."""
    per_class: Mapping[str, Any] = document["per_class"]
    rows = [_class_row(name, one) for name, one in [*per_class.items()][:MOST_CLASSES]]
    if len(per_class) != 1:
        rows.append(_class_row("all", document["all"]))
    header = ["class", "images", "objects", "share", "size 5 %", "median", "95 %", "w/h"]
    text = table([*header, "small", "medium", "large"], rows)
    if len(per_class) > MOST_CLASSES:
        text += f"\n… and {len(per_class) - MOST_CLASSES} more classes"
    return text


def _class_row(name: str, one: Mapping[str, Any]) -> list[str]:
    sizes = [one["size"][key] for key in ("low", "median", "high")]
    return [
        name,
        _count(one["images"]),
        _count(one["objects"]),
        "-" if one["share"] is None else f"{100 * one['share']:.1f} %",
        *("-" if size is None else f"{size:.0f}" for size in sizes),
        "-" if one["aspect_ratio"]["median"] is None else f"{one['aspect_ratio']['median']:.2f}",
        *(_count(one["coco_sizes"][key]) for key in ("small", "medium", "large")),
    ]


def _format_images(document: Mapping[str, Any]) -> str:
    """Describe images, flags and classes that go together in a line each."""
    per_image = document["objects_per_image"]
    lines = [
        f"objects in an image: {per_image['median']:g} (median), {per_image['low']:g} to "
        f"{per_image['high']:g} (5 to 95 %), at most {_count(document['most_objects'])}; "
        f"{_count(document['images_without_objects'])} images without objects"
    ]
    sizes = [
        f"{size['width']} × {size['height']} ({_count(size['images'])})"
        for size in document["image_sizes"][:MOST_SIZES]
    ]
    more = document["num_image_sizes"] - len(sizes)
    sizes += [f"{more} more sizes"] * (more > 0)
    unknown = document["images_of_unknown_size"]
    sizes += [f"{_count(unknown)} of unknown size"] * (unknown > 0)
    lines.append(f"images, width × height: {', '.join(sizes)}")
    difficult, crowds = document["all"]["difficult"], document["all"]["crowds"]
    if difficult or crowds:
        lines.append(f"difficult objects: {_count(difficult)}; crowd regions: {_count(crowds)}")
    if document["pairs"]:
        pairs = [
            f"{' and '.join(pair['classes'])} ({_count(pair['images'])})"
            for pair in document["pairs"][:MOST_PAIRS]
        ]
        lines.append(f"in one image most often: {', '.join(pairs)}")
    lines.append("sizes are sides of squares of the same area, in pixels; w/h is the median")
    return "\n".join(lines)


def _count(number: int) -> str:
    return f"{number:,}"
