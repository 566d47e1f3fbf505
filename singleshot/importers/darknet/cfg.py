"""Darknet's cfg files: sections with one option per line (src/parser.c, src/option_list.c)."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from singleshot.errors import ModelError, some_of

__all__ = ["LARGEST_NUMBER", "Section", "read_cfg"]

LARGEST_FILE = 2**20  # bytes; yolov3.cfg has 8,342
LARGEST_NUMBER = 2**16  # of channels, pixels or layers
SHOWN = 60  # characters of a line in a message
COMMENTS = ("#", ";")


@dataclass(frozen=True, slots=True)
class Section:
    """A layer, or `net`; reading an option raises a ModelError that names its line."""

    kind: str
    path: Path
    line: int
    options: Mapping[str, tuple[str, int]]  # value and line

    def error(self, problem: str, key: str = "") -> ModelError:
        """Make the error for a problem of the section, or of one of its options."""
        line = self.options[key][1] if key in self.options else self.line
        return ModelError(f"{self.path}, line {line}: [{self.kind}] {problem}")

    def require_known(self, known: Collection[str]) -> None:
        """Refuse any other option: it could change what the network computes."""
        for key in self.options:
            if key not in known:
                raise self.error(
                    f"has {key!r}, which cannot be imported; expected {some_of(sorted(known))}", key
                )

    def require(self, key: str, *values: str, default: str) -> str:
        """Read an option that must have one of these values."""
        value = self.text(key, default)
        if value not in values:
            raise self.error(
                f"has {key} = {value[:SHOWN]!r}, which cannot be imported; expected "
                f"{' or '.join(values)}",
                key,
            )
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """Read an option as it is written; without a default it is required."""
        if key in self.options:
            return self.options[key][0]
        if default is None:
            raise self.error(f"lacks {key}")
        return default

    def integer(self, key: str, default: int | None = None, *, least: int = 0) -> int:
        """Read a whole number, of at most 65,536."""
        value = self.text(key, None if default is None else str(default))
        return self._parse_integer(key, value, least)

    def _parse_integer(self, key: str, value: str, least: int) -> int:
        digits = value.removeprefix("-")
        if not (
            digits.isascii() and digits.isdecimal() and len(digits) <= len(f"{LARGEST_NUMBER}")
        ):
            raise self.error(f"has {key} = {value[:SHOWN]!r}; expected a whole number", key)
        if not least <= int(value) <= LARGEST_NUMBER:
            raise self.error(
                f"has {key} = {value}; expected a number from {least} to {LARGEST_NUMBER}", key
            )
        return int(value)

    def integers(self, key: str, *, least: int) -> list[int]:
        """Read whole numbers separated by commas."""
        values = _split_at_commas(self.text(key))
        return [self._parse_integer(key, value, least) for value in values]

    def numbers(self, key: str) -> list[float]:
        """Read numbers separated by commas."""
        return [self._parse_number(key, value) for value in _split_at_commas(self.text(key))]

    def number(self, key: str, default: float) -> float:
        """Read a number."""
        return self._parse_number(key, self.text(key, str(default)))

    def _parse_number(self, key: str, value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self.error(f"has {key} = {value[:SHOWN]!r}; expected a number", key)
        return number


def _split_at_commas(value: str) -> list[str]:
    """Split a value at commas; Darknet ignores one at the end."""
    return value.removesuffix(",").split(",")


def read_cfg(path: Path) -> list[Section]:
    """Read the sections of a file in their order, the first of which is `net`.

    Spaces are ignored (`strip` of src/utils.c); lines that begin with # or ; are comments.
    """
    sections: list[Section] = []
    options: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(_text_of(path).splitlines(), start=1):
        stripped = "".join(line.split())
        if not stripped or stripped.startswith(COMMENTS):
            continue
        if stripped.startswith("["):
            options = {}
            sections.append(Section(_kind_in(stripped, path, number), path, number, options))
            continue
        key, equals, value = stripped.partition("=")
        if not (key and equals and value and sections):
            raise ModelError(
                f"{path}, line {number}: {line[:SHOWN]!r}: expected a [section], or an option "
                f"below one, as in filters=32"
            )
        # yolo9000.cfg has batch=1 twice.
        if options.setdefault(key, (value, number))[0] != value:
            raise ModelError(
                f"{path}, line {number}: {key[:SHOWN]!r} occurs twice in its section, with "
                f"different values; remove one"
            )
    if not sections or sections[0].kind != "net":
        raise ModelError(f"{path}: does not begin with [net], as a cfg of Darknet does")
    return sections


SHORT = {"network": "net", "conv": "convolutional", "conn": "connected", "max": "maxpool"}


def _kind_in(header: str, path: Path, number: int) -> str:
    """Read the name in square brackets; some have two (`string_to_layer_type`)."""
    kind = header.removeprefix("[").removesuffix("]")
    if header != f"[{kind}]" or not kind.replace("_", "").isalnum():
        raise ModelError(f"{path}, line {number}: {header[:SHOWN]!r}: expected [section]")
    return SHORT.get(kind, kind)


def _text_of(path: Path) -> str:
    """Read the text of a file; raises ModelError if it is too long or binary."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ModelError(f"{path}: not readable: {error.strerror}") from error
    if len(content) > LARGEST_FILE or b"\0" in content:
        raise ModelError(f"{path}: not a cfg of Darknet, a text of a few thousand characters")
    return content.decode("utf-8", errors="replace")
