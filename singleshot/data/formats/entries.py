"""Typed values of entries in JSON, YAML and CSV; errors give place, value and what is expected."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from singleshot.errors import DataError
from singleshot.files import describe_damage

__all__ = ["Entry", "as_number", "as_side", "begins_with_key", "first_json_key", "parse_json"]

_PROBED = 4096  # bytes
_BEGINNING = 1 << 16  # bytes
_FIRST_KEY = re.compile(rb'\{\s*"([^"]*)"\s*:')
_LARGEST = 2**63 - 1  # ids are kept in 64 bits
_LONGEST_SIDE = 10**7  # pixels; no image is longer
_LONGEST_VALUE = 60  # characters of a value in a message
_FLAGS = {"0": False, "1": True, "false": False, "true": True, "": False}


class Entry:
    """An object of a JSON file, at a place for messages: "a.json: annotation 3"."""

    __slots__ = ("place", "values")

    def __init__(self, values: Any, place: str) -> None:
        """Raise DataError for what is no object."""
        self.place = place
        if not isinstance(values, Mapping):
            raise DataError(f"{place}: is {_quote(values)}; expected an object with keys")
        self.values = values

    def wrong(self, key: str, expected: str) -> DataError:
        """Make the error of a value; it shows the value as it is written."""
        if key not in self.values:
            return DataError(f"{self.place}: has no {key!r}; expected {expected}")
        return DataError(f"{self.place}: {key} = {_quote(self.values[key])}; expected {expected}")

    def text(self, key: str) -> str:
        """Read text, without spaces at its ends; numbers are none, and neither is ''."""
        value = self.values.get(key)
        if not isinstance(value, str) or not (stripped := value.strip()):
            raise self.wrong(key, "text")
        return stripped

    def whole_number(self, key: str) -> int:
        """Read an integer, or text that is one, such as an id."""
        value = self.values.get(key)
        if type(value) is int and -_LARGEST <= value <= _LARGEST:
            return value  # as nearly always, of millions
        if isinstance(value, str) and (stripped := value.strip()).removeprefix("-").isdecimal():
            value = int(stripped) if len(stripped) < 20 else None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LARGEST:
            raise self.wrong(key, "a whole number of 64 bits")
        return value

    def flag(self, key: str) -> bool:
        """Read 0, 1, true or false, also as text; False when it is absent or null."""
        value = self.values.get(key)
        if value is None or value is True or value is False:
            return bool(value)
        word = value.strip().lower() if isinstance(value, str) else value
        if word in (0, 1):
            return bool(word)
        if isinstance(word, str) and word in _FLAGS:
            return _FLAGS[word]
        raise self.wrong(key, "0, 1, true or false")

    def number(self, key: str) -> float:
        """Read a finite number, or text that is one."""
        number = as_number(self.values.get(key))
        if number is None:
            raise self.wrong(key, "a number")
        return number

    def numbers(self, key: str, expected: str, count: int = 4) -> list[float]:
        """Read a list of so many finite numbers; `expected` describes it in the error."""
        value = self.values.get(key)
        if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == count:
            numbers = [as_number(one) for one in value]
            if None not in numbers:
                return [one for one in numbers if one is not None]
        raise self.wrong(key, expected)

    def side(self, key: str) -> int:
        """Read a side of the image in pixels; 0, for unknown, when it is no possible one."""
        return as_side(self.values.get(key))

    def entries(self, key: str, noun: str) -> list[Any]:
        """Read a list of further entries; the caller makes them an Entry, one by one."""
        value = self.values.get(key)
        if not isinstance(value, list):
            raise self.wrong(key, f"a list of {noun}, even an empty one")
        return value


def as_number(value: Any) -> float | None:
    """Convert a number, or text that is one, to a float; None for anything else, inf and NaN."""
    if type(value) is float:  # as nearly always, of millions
        return value if math.isfinite(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def as_side(value: Any) -> int:
    """Convert a side of an image to whole pixels; 0, for unknown, when it is no possible one."""
    number = as_number(value)
    return int(number) if number is not None and 0 < number <= _LONGEST_SIDE else 0


def first_json_key(file: Path) -> str | None:
    """Return the first key of the object in a JSON file, "[" for a list, None for anything else."""
    try:
        with file.open("rb") as opened:
            begin = opened.read(_PROBED).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError:
        return None
    if begin.startswith(b"["):
        return "["
    found = _FIRST_KEY.match(begin)
    return None if found is None else found[1].decode("utf-8", "replace")


def begins_with_key(file: Path, key: re.Pattern[bytes]) -> bool:
    """Check for a key in the beginning of a JSON file: a large one is not read to recognise it."""
    with file.open("rb") as opened:
        return key.search(opened.read(_BEGINNING)) is not None


def parse_json(file: Path) -> Any:
    """Load a JSON file; DataError, naming the line, when it is broken."""
    try:
        return json.loads(file.read_bytes())
    except json.JSONDecodeError as error:
        damage = describe_damage(file)
        reason = damage or f"broken JSON ({error.msg}); repair or export it anew"
        raise DataError(f"{file}, line {error.lineno}: {reason}") from None
    except RecursionError:
        raise DataError(f"{file}: is nested too deeply; export it anew") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read ({error}); export it anew") from error


def _quote(value: Any) -> str:
    """Write a value as JSON does, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
