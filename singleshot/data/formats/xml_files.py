"""XML files of annotations: their root, and the numbers in them."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree.ElementTree import Element

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError
from defusedxml.ElementTree import fromstring as parse_text

from singleshot.data.formats.entries import as_number
from singleshot.errors import DataError

__all__ = ["format_pixels", "has_root", "read_flag", "read_pixels", "read_root"]

# Up to the end of the declaration, which text must not have.
ENCODING = re.compile(rb"""\s*<\?xml[^>]*?encoding=["']([A-Za-z0-9._-]+)["'][^>]*\?>""")
FLAGS = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}


def has_root(xml: Path, tag: str) -> bool:
    """Check whether the file opens with this element; several formats are XML."""
    try:
        with xml.open("rb") as file:
            begin = file.read(1000)
    except OSError:  # a folder, or a link to nothing
        return False
    # In UTF-16 every other byte is 0. labelImg writes <annotation verified="yes">.
    begin = begin.replace(b"\0", b"")
    return re.search(rb"<%s[\s>/]" % tag.encode(), begin) is not None


def read_root(xml: Path, tag: str) -> Element:
    """Parse the file and return its root; DataError when it is broken or has another root."""
    try:
        root = _parse(xml)
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


def _parse(xml: Path) -> Element:
    """Parse a file in any encoding that Python knows; the parser itself knows few."""
    content = xml.read_bytes()
    declared = ENCODING.match(content)
    if declared is None:
        return parse_text(content)
    encoding = declared[1].decode("ascii")
    if encoding.lower() in ("utf-8", "utf-16"):
        return parse_text(content)
    return parse_text(content[declared.end() :].decode(encoding))


def read_flag(text: str | None, name: str, place: str) -> bool:
    """Read 0, 1, true or false; False when it is missing or empty."""
    word = (text or "0").strip().lower()
    if word not in FLAGS:
        raise DataError(f"{place}: {name} is {text!r}; expected 0 or 1")
    return FLAGS[word]


def read_pixels(text: str | None, name: str, where: str) -> float:
    """Read a coordinate; the DataError names it by `name` and the object by `where`."""
    number = as_number(text)
    if number is None:
        stated = "missing" if text is None else f"{text!r}"
        raise DataError(f"{where}: {name} is {stated}; expected a number of pixels")
    return number


def format_pixels(value: float) -> str:
    """Write a coordinate, a whole number without its decimal point."""
    return str(int(value) if value.is_integer() else value)
