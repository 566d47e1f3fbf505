"""Table of the parts for a terminal."""

from collections.abc import Mapping
from typing import Any

from singleshot.errors import some_of
from singleshot.report.text import table

__all__ = ["MOST_CLASSES", "format_split"]

MOST_CLASSES = 40  # rows of a table


def format_split(document: Mapping[str, Any]) -> str:
    """Format images and objects of each class in each part, the most frequent classes first."""
    parts: Mapping[str, Any] = document["parts"]
    per_class = {
        name: [part["per_class"][name] for part in parts.values()]
        for name in next(iter(parts.values()))["per_class"]
    }
    order = sorted(per_class, key=lambda name: -sum(one["objects"] for one in per_class[name]))
    rows = [
        [name, *(f"{one['images']} / {one['objects']}" for one in per_class[name])]
        for name in order[:MOST_CLASSES]
    ]
    total = [f"{part['images']} / {part['objects']}" for part in parts.values()]
    lines = [table(["images / objects", *parts], [*rows, ["all", *total]])]
    if len(order) > MOST_CLASSES:
        lines.append(f"… and {len(order) - MOST_CLASSES} more classes")
    lines += _missing_lines(document["missing"])
    return "\n".join(lines)


def _missing_lines(missing: Mapping[str, list[str]]) -> list[str]:
    """Name the classes that are not in every part, by the parts without them."""
    classes_without: dict[str, list[str]] = {}
    for name, parts in missing.items():
        classes_without.setdefault(" and ".join(parts), []).append(name)
    return [
        f"not in {parts}, as they have too few images or groups: {some_of(names)}"
        for parts, names in classes_without.items()
    ]
