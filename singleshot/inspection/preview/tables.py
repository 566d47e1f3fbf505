"""The table of a preview for the terminal, from the document that `--json` prints."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from singleshot.report.text import table

__all__ = ["format_preview"]


def format_preview(samples: Sequence[Mapping[str, Any]]) -> str:
    """Write a line for each sample: its first file, objects, matched priors by level, negatives."""
    rows = [
        [
            PurePath(one["files"][0]).name,
            " + ".join(PurePath(part).name for part in one["image"].split(" + ")),
            f"{one['objects']:,}",
            ", ".join(f"{grid}: {number}" for grid, number in one["matches"].items()) or "-",
            "-" if one["negatives"] is None else f"{one['negatives']:,}",
        ]
        for one in samples
    ]
    folder = PurePath(samples[0]["files"][0]).parent
    lines = table(["file", "image", "objects", "matched priors by level", "negatives"], rows)
    return f"{lines}\n\n{sum(len(one['files']) for one in samples)} images in {folder}"
