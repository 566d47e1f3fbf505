"""Options of reading annotations: what to believe, and what to do with damaged input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from singleshot.errors import SingleshotError
from singleshot.options import Options, option

__all__ = ["AS_IT_IS", "OnError", "ReadingOptions", "parse_pairs"]

OnError = Literal["stop", "skip", "keep"]


@dataclass(frozen=True, kw_only=True)
class ReadingOptions(Options):
    """Options of reading annotated images, shared by all commands that read them."""

    on_error: OnError = field(
        default="keep",
        metadata=option(
            "Damaged input. keep: use images that are cut short, leave out those that cannot be "
            "read, stop at wrong annotations; skip: leave out all of them; stop: at any. What is "
            "left out or changed is printed."
        ),
    )
    images: str | Path | None = field(
        default=None,
        metadata=option(
            "Folder of the images, where the annotations do not name it.", metavar="DIR"
        ),
    )
    data_format: str | None = field(
        default=None,
        metadata=option(
            "Read the data as this format, such as COCO or YOLO, where it could be two.",
            flag="--format",
            metavar="FORMAT",
        ),
    )
    normalized: bool = field(
        default=False,
        metadata=option("Read boxes as fractions of the image, where pixels are usual."),
    )
    rescale_boxes: bool = field(
        default=False,
        metadata=option(
            "Scale boxes to the size of the image, where another is annotated (the images were "
            "resized after they were annotated)."
        ),
    )
    rename_class: Mapping[str, str] | Sequence[str] = field(
        default=(),
        metadata=option(
            "Read objects of a class as those of another, as in pedestrian=person, or leave them "
            "out, as in pedestrian=; may be repeated.",
            metavar="CLASS=NEW",
        ),
    )
    follow_links: bool = field(
        default=False,
        metadata=option("Follow symbolic links that lead out of the folder of the data set."),
    )

    @property
    def reading(self) -> ReadingOptions:
        """These options alone, without those of the command."""
        names = ReadingOptions.__dataclass_fields__
        return ReadingOptions(**{name: getattr(self, name) for name in names})


def parse_pairs(flag: str, given: Mapping[str, str] | Sequence[str]) -> dict[str, str]:
    """Parse pairs such as pedestrian=person; what is behind = may be missing.

    Raises:
        SingleshotError: a text has no name before =, or a name has two values.
    """
    texts = [f"{one}={new}" for one, new in given.items()] if isinstance(given, Mapping) else given
    parsed: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not name or not equals:
            raise SingleshotError(f"{flag} {text}: expected two names, as pedestrian=person")
        if parsed.setdefault(name, value) != value:
            raise SingleshotError(f"{flag} {text}: there is {name}={parsed[name]} as well")
    return parsed


AS_IT_IS = ReadingOptions()
