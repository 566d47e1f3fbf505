"""The page of a check: every kind of finding with some of its images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from singleshot.data.dataset import DataSet
from singleshot.files import write_atomically
from singleshot.inspection.check.result import CheckResult, FoundKind
from singleshot.inspection.check.thumbnails import Figure, Thumbnails
from singleshot.report.page import environment
from singleshot.version import __version__

__all__ = ["write_check_page"]

_FOLDER = Path(__file__).parent
MOST_FIGURES = 12  # of a kind
MOST_GROUPS = 6  # of images side by side
MOST_LISTED = 200  # places of a kind
_WORDS = {"error": "error", "change": "changed by the reader", "note": "note"}


@dataclass(frozen=True)
class _Part:
    """A kind of finding on the page."""

    found: FoundKind
    word: str  # its severity
    figures: tuple[Figure, ...]
    listed: tuple[str, ...]  # places that are not shown
    more: int  # places that are not even listed

    @property
    def styles(self) -> set[str]:
        """Styles of the boxes that are drawn."""
        return {
            mark.style
            for figure in self.figures
            for one in figure.thumbnails
            for mark in one.outlines
        }


def write_check_page(result: CheckResult, dataset: DataSet, command: str, path: Path) -> Path:
    """Write one HTML file that needs no other and no network.

    Args:
        result: the findings.
        dataset: whose images are shown, some of each kind; those that cannot be read are listed.
        command: the command that makes this page.
        path: of the page.
    """
    thumbnails = Thumbnails(dataset)
    parts = [_part(found, thumbnails) for found in result.kinds]
    text = (
        environment(_FOLDER)
        .get_template("check.html")
        .render(result=result, parts=parts, command=command, version=__version__)
    )
    with write_atomically(path) as beside:
        beside.write_text(text, encoding="utf-8")
    return path


def _part(found: FoundKind, thumbnails: Thumbnails) -> _Part:
    """Show the first findings of a kind that have images, and list the others."""
    figures: list[Figure] = []
    listed = []
    for one in found.findings:
        most = MOST_GROUPS if one.others else MOST_FIGURES
        figure = thumbnails.figure(one) if len(figures) < most else None
        if figure is None:
            listed.append(": ".join(filter(None, (one.place, one.detail))))
        else:
            figures.append(figure)
    more = max(len(listed) - MOST_LISTED, 0)
    return _Part(found, _WORDS[found.severity], tuple(figures), tuple(listed[:MOST_LISTED]), more)
