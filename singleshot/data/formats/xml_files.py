"""XML from strangers: what a file opens with, and its tree."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast
from xml.etree.ElementTree import Element

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError
from defusedxml.ElementTree import parse as parse_xml

from singleshot.errors import DataError

__all__ = ["opens_with", "parsed"]


def opens_with(xml: Path, tag: str) -> bool:
    """Whether the file begins with this element; several formats are XML."""
    with xml.open("rb") as file:
        # labelImg writes <annotation verified="yes">.
        return re.search(rb"<%s[\s>]" % tag.encode(), file.read(1000)) is not None


def parsed(xml: Path, tag: str) -> Element:
    """The root of the file; DataError when it is broken, or another element than this."""
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
