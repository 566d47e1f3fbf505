"""Templates and filters of every page."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

__all__ = ["HERE", "content_hash", "environment"]

UNDEFINED = "\N{EN DASH}"
HERE = Path(__file__).parent


def environment(folder: Path = HERE) -> Environment:
    """Load templates of a folder and those that all pages share, with filters and escaping."""
    # StrictUndefined: a misspelt name in the template is an error instead of a blank.
    made = Environment(
        loader=FileSystemLoader([folder, HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "counted": counted,
        "number": number,
        "per_image": per_image,
        "percent": percent,
        "reached": reached,
        "signed": signed,
    }
    return made


def content_hash(text: str) -> str:
    """How a content security policy names the one script that may run (CSP level 2, §4.2.5)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def number(value: float | None, digits: int = 3) -> str:
    """A dash where undefined."""
    return UNDEFINED if value is None else f"{value:.{digits}f}"


def reached(value: float | None) -> str:
    """A precision or recall that can be had; 0 says that no threshold reaches what is asked."""
    return "never" if value == 0 else number(value)


def signed(value: float | None, digits: int = 3) -> str:
    """With a plus or a minus unless it rounds to 0; a dash where undefined."""
    if value is None:
        return UNDEFINED
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}".replace("-", "\N{MINUS SIGN}") if rounded else f"{0:.{digits}f}"


def counted(count: int, thing: str) -> str:
    """`1 hit`, `2 hits`."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def per_image(count: int, num_images: int) -> str:
    """With two digits; a dash without images."""
    return number(count / num_images if num_images else None, 2)


def percent(value: float | None) -> str:
    """Without digits after the point; a dash where undefined."""
    return UNDEFINED if value is None else f"{value:.0%}"
