"""Findings in a data set: errors that stop a run, and what a reader changes or leaves out.

A reader continues after an error, so that all errors are reported together. What it changes or
leaves out is counted, and printed in one line for each kind.

Imports no PyTorch: formats recognise a data set and list its splits without it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from singleshot.errors import DataError

__all__ = ["KINDS", "Finding", "FindingKind", "Findings", "Severity", "count_of"]

# An error stops a run unless --on-error skip leaves out what has it; the others are printed.
Severity = Literal["error", "change", "note"]

NAMED = 3  # places that a line names before "and 7 more"
MOST_BESIDES = 5  # lines of other findings, with errors
MOST_LINES = 12  # of errors in one message
_SINGULAR = {"boxes": "box", "classes": "class", "entries": "entry", "copies": "copy"}

_Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class FindingKind:
    """A kind of finding: how serious it is, the line that counts it, and what to do."""

    severity: Severity
    line: str  # "dropped {boxes} without area": the noun in braces is counted
    remedy: str = ""

    def describe(self, count: int) -> str:
        """Write the line for so many."""
        return re.sub(r"\{(\w+)\}", lambda noun: count_of(count, noun[1]), self.line)


@dataclass(frozen=True)
class Finding:
    """One place of one kind."""

    kind: str  # key of KINDS
    place: str  # "a.json: annotation 3", "Annotations/a.xml: object 2 (cat)", "images/a.jpg"
    detail: str = ""  # the value, and of an error what is expected
    image: str = ""  # path of the image that it is about, where there is one
    boxes: tuple[_Box, ...] = ()  # in that image, where it is about boxes
    others: tuple[str, ...] = ()  # paths of further images

    def __str__(self) -> str:
        text = f"{self.place}: {self.detail}" if self.detail else self.place
        return f"{text}; {remedy}" if (remedy := KINDS[self.kind].remedy) else text


KINDS: Mapping[str, FindingKind] = {
    # Of an entry, a file or an image that cannot be used.
    "entry": FindingKind("error", "{entries} cannot be used", "correct or remove it"),
    "file": FindingKind("error", "{files} cannot be read", "repair or remove it"),
    "missing-image": FindingKind(
        "error", "{images} missing", "restore it or remove its entry, or name its folder: --images"
    ),
    "no-images": FindingKind(
        "error",
        "found no images of {annotations}",
        "restore them, or name their folder: --images DIR",
    ),
    "ambiguous-image": FindingKind(
        "error", "{images} of the same name", "write the folder before the file name"
    ),
    "outside-link": FindingKind(
        "error",
        "{links} out of the folder of the data set",
        "copy what it points to, or allow it: --follow-links",
    ),
    "size": FindingKind(
        "error",
        "{images} of another size than annotated",
        "annotate them anew, or scale the boxes with the images: --rescale-boxes",
    ),
    "fractions": FindingKind(
        "error", "{boxes} within one pixel", "are these fractions of the image? Then: --normalized"
    ),
    "pixels": FindingKind(
        "error", "{boxes} beyond the image", "are these pixels? Then leave out --normalized"
    ),
    # Of a run with --on-error stop only; else the image is left out or used.
    "unreadable-image": FindingKind("change", "left out {images} that cannot be read"),
    "truncated-image": FindingKind("change", "{images} cut short, used up to the cut"),
    # What a reader changes.
    "without-area": FindingKind("change", "dropped {boxes} without area"),
    "outside": FindingKind("change", "dropped {boxes} wholly outside the image"),
    "clipped": FindingKind("change", "clipped {boxes} reaching beyond the image"),
    "mostly-outside": FindingKind("change", "clipped {boxes} mostly outside the image"),
    "swapped": FindingKind("change", "put the corners of {boxes} in order"),
    "polygon": FindingKind("change", "took the bounding box of {polygons}"),
    "rotated": FindingKind("change", "took the box around {boxes} that are rotated"),
    "no-box": FindingKind(
        "change", "left out {shapes} that are no boxes, such as points and lines"
    ),
    "several-boxes": FindingKind("change", "took each box of {objects} with several as an object"),
    "turned": FindingKind(
        "change", "turned the boxes of {images} annotated on the pixels before EXIF orientation"
    ),
    "rescaled": FindingKind("change", "scaled the boxes of {images} to the size of the image"),
    "renamed-class": FindingKind("change", "renamed {classes}"),
    "left-out-class": FindingKind("change", "left out {classes}"),
    "merged": FindingKind("change", "joined the entries of {images} listed more than once"),
    "found-by-name": FindingKind(
        "change", "found {images} by name: the annotated folder or suffix does not exist"
    ),
    "skipped": FindingKind("change", "left out {entries} that cannot be used"),
    # Worth knowing.
    "not-annotated": FindingKind("note", "left out {images} without annotation"),
    "no-such-class": FindingKind("note", "{names} of --rename-class that are no class here"),
    "similar-classes": FindingKind("note", "class names that differ by case or spaces alone"),
    "reader": FindingKind("note", "{notes}"),
    # What a check of the whole data set finds; no reader stops at it.
    "no-usable-image": FindingKind("error", "no image can be used"),
    "no-object": FindingKind("error", "no objects to train on"),
    "broken-image": FindingKind("error", "{images} that cannot be decoded"),
    "shared-by-splits": FindingKind("error", "{images} in more than one split"),
    "copy-across-splits": FindingKind("error", "{groups} of identical images across splits"),
    "alike-across-splits": FindingKind("note", "{groups} of images that look alike across splits"),
    "copy": FindingKind("note", "{groups} of identical images"),
    "alike": FindingKind("note", "{groups} of images that look alike"),
    "in-no-split": FindingKind("note", "{images} in no split"),
    "annotated-twice": FindingKind("note", "{boxes} annotated twice"),
    "two-classes": FindingKind("note", "{boxes} annotated as two classes"),
    "tiny": FindingKind("note", "{boxes} too small to be detected"),
    "whole-image": FindingKind("note", "{boxes} as large as the image"),
    "unused-class": FindingKind("note", "{classes} without objects"),
    "rare-class": FindingKind("note", "{classes} with fewer than 10 objects"),
    "id-gap": FindingKind("note", "{gaps} in the category ids"),
    "empty-image": FindingKind("note", "{images} without objects"),
    "difficult-only": FindingKind("note", "{images} with difficult objects alone"),
    "odd-size": FindingKind("note", "{images} of another size or shape than the rest"),
    "turned-by-exif": FindingKind("note", "{images} turned by EXIF orientation"),
    "grey-image": FindingKind("note", "{images} in grey among colour"),
    "cmyk-image": FindingKind("note", "{images} in CMYK among RGB"),
    "suspected-missing": FindingKind("note", "{objects} perhaps not annotated"),
    "suspected-class": FindingKind("note", "{objects} perhaps of another class"),
    "suspected-box": FindingKind("note", "{boxes} perhaps misplaced"),
}


@dataclass
class Findings:
    """All findings of a reader, in the order in which they were made."""

    found: list[Finding] = field(default_factory=list)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    def add(self, kind: str, place: str, detail: str = "", image: str = "", **more: Any) -> None:
        """Add a finding of one of KINDS; `more` are its boxes and further images."""
        self.found.append(Finding(kind, place, detail, image, **more))

    def extend(self, findings: Iterable[Finding]) -> None:
        """Add the findings of another reader."""
        self.found += findings

    def collect(self, place: str, kind: str = "entry") -> _Collecting:
        """Turn the DataError of an entry or a file into a finding, and continue behind it."""
        return _Collecting(self, place, kind)

    @property
    def errors(self) -> list[Finding]:
        """List those that stop a run."""
        return [one for one in self if KINDS[one.kind].severity == "error"]

    def lines(
        self, folder: str = "", severities: Collection[Severity] = ("change", "note")
    ) -> list[str]:
        """Write a line for each kind: how many, and the first places, paths as below a folder."""
        by_kind: dict[str, list[Finding]] = {}
        for one in self:
            if KINDS[one.kind].severity in severities:
                by_kind.setdefault(one.kind, []).append(one)
        return [_line_of(kind, found, folder) for kind, found in by_kind.items()]

    def raise_errors(self, description: str, kinds: Collection[str] = ()) -> None:
        """Raise DataError with all errors, and findings of these kinds, if there are any."""
        serious = [one for one in self if KINDS[one.kind].severity == "error" or one.kind in kinds]
        if not serious:
            return
        besides = "".join(f"\n  besides: {line}" for line in self.lines()[:MOST_BESIDES])
        if len(serious) == 1:
            raise DataError(f"{serious[0]}{besides}")
        shown = _spread(serious, MOST_LINES)
        more = len(serious) - len(shown)
        rest = f"\n  and {more} more: singleshot data check lists them" if more else ""
        raise DataError(
            f"{description}: {len(serious)} errors"
            + "".join(f"\n  {one}" for one in shown)
            + rest
            + besides
        )


class _Collecting:
    """Context of `Findings.collect`; a generator would take longer, a million times."""

    __slots__ = ("findings", "kind", "place")

    def __init__(self, findings: Findings, place: str, kind: str) -> None:
        self.findings, self.place, self.kind = findings, place, kind

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, DataError):
            return False
        place = self.place
        text = str(error).removesuffix(f"; {KINDS[self.kind].remedy}")
        end = text.find(": ", len(place))
        if text.startswith(place) and end > 0:  # it may name more of the place
            place = text[:end]
        self.findings.add(self.kind, place, text.removeprefix(f"{place}: "))
        return True


def count_of(count: int, noun: str) -> str:
    """Write a number with its noun, which is given in the plural."""
    return f"{count:,} {noun if count != 1 else _SINGULAR.get(noun, noun.removesuffix('s'))}"


def _line_of(kind: str, found: Sequence[Finding], folder: str) -> str:
    """Write the line of one kind, as in "dropped 2 boxes without area: a, b"."""
    if kind == "reader":  # each with words of its own
        return "; ".join(dict.fromkeys(one.place for one in found))
    prefix = f"{folder}/" if folder else ""
    places = list(dict.fromkeys(str(one).removeprefix(prefix) for one in found))
    more = f" and {len(places) - NAMED:,} more" if len(places) > NAMED else ""
    return f"{KINDS[kind].describe(len(found))}: {', '.join(places[:NAMED])}{more}"


def _spread(findings: Sequence[Finding], most: int) -> list[Finding]:
    """Choose some findings so that each kind is among them, in their order."""
    if len(findings) <= most:
        return list(findings)
    by_kind: dict[str, list[int]] = {}
    for position, one in enumerate(findings):
        by_kind.setdefault(one.kind, []).append(position)
    share = max(most // len(by_kind), 1)
    chosen = [position for positions in by_kind.values() for position in positions[:share]]
    return [findings[position] for position in sorted(chosen)[:most]]
