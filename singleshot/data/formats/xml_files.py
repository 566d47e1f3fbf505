"""XML files of annotations: their root, and the numbers in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast
from xml.etree.ElementTree import Element

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError
from defusedxml.ElementTree import parse as parse_xml

from singleshot.data.formats.objects import finite_number
from singleshot.errors import DataError

__all__ = ["format_pixels", "has_root", "read_length", "read_pixels", "read_root"]


def has_root(xml: Path, tag: str) -> bool:
    """Check whether the file opens with this element; several formats are XML."""
    with xml.open("rb") as file:
        # labelImg writes <annotation verified="yes">.
        return re.search(rb"<%s[\s>]" % tag.encode(), file.read(1000)) is not None


def read_root(xml: Path, tag: str) -> Element:
    """Parse the file and return its root; DataError when it is broken or has another root."""
    try:
        root = cast(Element, parse_xml(xml).getroot())
    except ParseError as error:
        line, _ = error.position
        raise DataError(f"{xml}, line {line}: broken XML ({error}); repair or remove it") from None
    except DefusedXmlException:
        raise DataError(f"{xml}: declares entities, which may be an attack; remove them") from None
    except (OSError, LookupError, ValueError) as error:  # a wrong encoding is one of these
        raise DataError(f"{xml}: cannot be read ({error}); repair or remove it") from error
    if root.tag != tag:
        raise DataError(f"{xml}: opens with <{root.tag}>; expected <{tag}>")
    return root


def read_length(text: str | None) -> int:
    """Read a side of the image in pixels; 0 when it is missing or not a number."""
    try:
        return int(finite_number(text))
    except (TypeError, ValueError):
        return 0


def read_pixels(text: str | None, name: str, where: str) -> float:
    """Read a coordinate; the DataError names it by `name` and the object by `where`."""
    try:
        return finite_number(text)
    except (TypeError, ValueError):
        stated = "missing" if text is None else f"{text!r}"
        raise DataError(f"{where}: {name} is {stated}; expected a number of pixels") from None


def format_pixels(value: float) -> str:
    """Write a coordinate, a whole number without its decimal point."""
    return str(int(value) if value.is_integer() else value)
