"""Options of `data split`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from singleshot.data.reading import ReadingOptions
from singleshot.errors import SingleshotError
from singleshot.files import require_empty_folder
from singleshot.options import argument, callback, option
from singleshot.runs.callbacks import OnMessage
from singleshot.runs.reporting import WithProgress

__all__ = ["BY_FOLDER", "BY_LOOK", "SplitOptions", "parse_fractions"]

BY_FOLDER, BY_LOOK = "folder", "near-duplicates"
DEFAULT_FRACTIONS = "train=0.8,val=0.1,test=0.1"
_NAME = re.compile(r"\w[\w-]*")


def parse_fractions(fractions: Mapping[str, float] | str) -> dict[str, float]:
    """Parse "train=0.8,val=0.2"; raises SingleshotError for fractions that cannot be used."""
    if isinstance(fractions, str):
        pairs = [part.partition("=") for part in fractions.split(",")]
        try:
            named = [(name.strip(), float(number)) for name, _, number in pairs]
        except ValueError:
            raise SingleshotError(
                f"fractions: {fractions!r}: expected NAME=FRACTION, as in {DEFAULT_FRACTIONS}"
            ) from None
    else:
        named = list(fractions.items())
    for name, _ in named:
        if not _NAME.fullmatch(name):
            raise SingleshotError(
                f"fractions: {name!r} is no name of a split; use letters, digits, - and _"
            )
    if len(dict(named)) < len(named):
        raise SingleshotError(f"fractions: {fractions!r} has a name twice; name each part once")
    total = sum(fraction for _, fraction in named)
    if min(fraction for _, fraction in named) <= 0 or not math.isclose(total, 1, abs_tol=1e-3):
        raise SingleshotError(
            f"fractions: {fractions!r} adds up to {total:g}; expected numbers above 0 that add up "
            f"to 1"
        )
    return dict(named)


def _check_group_by(group_by: str) -> None:
    """Raise SingleshotError for what is no regular expression."""
    try:
        re.compile(group_by)
    except re.error as error:
        raise SingleshotError(
            f"group_by: {group_by!r} is no regular expression ({error}); expected one such as "
            f"'(cam\\d+)_', {BY_FOLDER} or {BY_LOOK}"
        ) from error


@dataclass(frozen=True)
class SplitOptions(WithProgress, ReadingOptions):
    """Options of one splitting."""

    out: str | Path = field(
        metadata=argument("Folder of the new data set: new or empty.", metavar="OUT")
    )
    _: KW_ONLY
    fractions: Mapping[str, float] | str = field(
        default=DEFAULT_FRACTIONS,
        metadata=option(
            "Parts, and the share of the images of each; together 1.",
            metavar="NAME=FRACTION,…",
            cli_type=str,
            validate=parse_fractions,
        ),
    )
    group_by: str | None = field(
        default=None,
        metadata=option(
            "Keep images together: a regular expression over the file name, whose first group is "
            "the video, camera or patient, as in '(cam\\d+)_'; folder; or near-duplicates.",
            metavar="REGEX|folder|near-duplicates",
            validate=_check_group_by,
        ),
    )
    number: int | None = field(
        default=None,
        metadata=option(
            "Take only so many images, with all classes: for quick runs.", metavar="N", minimum=1
        ),
    )
    split: str | None = field(
        default=None,
        metadata=option("Take only the images of a split; a+b joins two. Default: all images."),
    )
    seed: int = field(
        default=0, metadata=option("Seed of the choice.", metavar="N", minimum=0, maximum=2**63 - 1)
    )
    link: bool = field(
        default=False,
        metadata=option(
            "Hard links in place of copies, where the file system has them: they take no space, "
            "and editing one image edits both."
        ),
    )
    on_message: OnMessage | None = field(
        default=None, metadata=callback("Called with each message, such as the number of groups.")
    )
    progress: bool | Callable[[int, int], None] | None = field(
        default=None,
        metadata=callback(
            "Show progress, or a function, called with (images done, images in all). Default: "
            "shown on terminals and in notebooks."
        ),
    )

    def __post_init__(self) -> None:
        """Raise SingleshotError for a value or folder that cannot be used."""
        super().__post_init__()
        require_empty_folder(Path(self.out))
