"""Text of `data check` in a terminal, made from the document that `--json` prints."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from singleshot.data.findings import count_of

__all__ = ["format_check"]

Document = Mapping[str, Any]
MOST_PLACES = 5
WIDTH = 96
_LABELS = {"error": "ERROR ", "change": "change", "note": "note  "}
_INDENT = " " * 8


def format_check(document: Document) -> str:
    """Write what was checked, a block for each kind of finding, and a line of totals."""
    counts = ", ".join(
        count_of(document[key], noun)
        for key, noun in (("images", "images"), ("objects", "objects"), ("classes", "classes"))
    )
    blocks = [f"{document['data']}: {counts}"]
    blocks += [_block(one) for one in document["findings"]]
    blocks += [f"not checked: {line}" for line in document["skipped"]]
    blocks.append(_totals(document))
    if document["fix"] is not None:
        blocks.append(_fixed(document["fix"]))
    return "\n\n".join(blocks)


def _block(finding: Document) -> str:
    """Write one kind: what and how many, the consequence, the remedy, the first places."""
    lines = [f"{_LABELS[finding['severity']]}  {finding['title']}"]
    lines += _wrapped(finding["consequence"])
    lines += _wrapped(finding["remedy"], "→ ")
    places = finding["places"]
    for one in places[:MOST_PLACES]:
        lines.append(f"{_INDENT}- {': '.join(filter(None, (one['place'], one['detail'])))}")
    if len(places) > MOST_PLACES:
        lines.append(f"{_INDENT}- and {len(places) - MOST_PLACES:,} more (--json lists all)")
    return "\n".join(lines)


def _wrapped(text: str, mark: str = "") -> list[str]:
    """Break a sentence into lines below its title."""
    below = _INDENT + " " * len(mark)
    return textwrap.wrap(text, WIDTH, initial_indent=_INDENT + mark, subsequent_indent=below)


def _totals(document: Document) -> str:
    """Count the kinds of findings, and what they mean."""
    counts = {
        severity: sum(one["severity"] == severity for one in document["findings"])
        for severity in ("error", "change", "note")
    }
    if not any(counts.values()):
        return "nothing found"
    errors, changes, notes = counts.values()
    kinds = (
        f"{count_of(errors, 'errors') if errors else 'no errors'}, "
        f"{count_of(changes, 'changes')}, {count_of(notes, 'notes')}"
    )
    if document["spoils_training"]:
        return f"{kinds}: the errors stop or spoil a training, or make its numbers untrue"
    return f"{kinds}: nothing stops or spoils a training"


def _fixed(fix: Document) -> str:
    """Write what the copy has, and what it still has."""
    counts = f"{count_of(fix['images'], 'images')}, {count_of(fix['objects'], 'objects')}"
    lines = [
        f"fixed copy: {fix['folder']} ({counts}); {count_of(fix['changes'], 'changes')}, "
        f"listed in {fix['folder']}/fixes.csv"
    ]
    if fix["not_fixed"]:
        lines.append("not fixed, look yourself: " + "; ".join(fix["not_fixed"]))
    return "\n".join(lines)
