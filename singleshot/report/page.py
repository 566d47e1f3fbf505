"""Templates and filters of every page."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from singleshot.report.text import short

__all__ = [
    "HERE",
    "content_hash",
    "environment",
    "format_rounded",
    "format_whole",
    "signed",
    "sorting_script",
]

UNDEFINED = "\N{EN DASH}"
HERE = Path(__file__).parent


def environment(folder: Path = HERE) -> Environment:
    """Load templates of a folder and those that all pages share, with filters and escaping."""
    # StrictUndefined: a misspelt name in the template is an error instead of a blank.
    templates = Environment(
        loader=FileSystemLoader([folder, HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "code": _code,
        "counted": _counted,
        "number": _number,
        "per_image": _per_image,
        "percent": _percent,
        "reached": _or_never,
        "rounded": format_rounded,
        "signed": signed,
        "whole": format_whole,
    }
    return templates


def content_hash(text: str) -> str:
    """Hash a script as a content security policy requires (CSP level 2, §4.2.5)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def sorting_script() -> str:
    """Read the script that sorts tables."""
    return (HERE / "sorting.js").read_text(encoding="utf-8")


def _code(text: str) -> Markup:
    """Set what is in backticks as code, as Markdown does."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _number(value: float | None, digits: int = 3) -> str:
    """Format a number; a dash where undefined."""
    return UNDEFINED if value is None else f"{value:.{digits}f}"


def _or_never(value: float | None) -> str:
    """Format a precision or recall; 0 means that no threshold reaches the target."""
    return "never" if value == 0 else _number(value)


def signed(value: float | None, digits: int = 3) -> str:
    """Format with a plus or a minus unless it rounds to 0; a dash where undefined."""
    if value is None:
        return UNDEFINED
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}".replace("-", "\N{MINUS SIGN}") if rounded else f"{0:.{digits}f}"


def format_rounded(value: float | None) -> str:
    """Write at least three significant digits, as `short` does; a dash for None."""
    return short(value, UNDEFINED)


def format_whole(value: float | None) -> str:
    """Write a number without decimals, with commas; a dash for None."""
    return UNDEFINED if value is None else f"{value:,.0f}"


def _counted(count: int, thing: str) -> str:
    """Format `1 object` or `2 objects`."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def _per_image(count: int, num_images: int) -> str:
    """Format a count per image; a dash without images."""
    return _number(count / num_images if num_images else None, 2)


def _percent(value: float | None) -> str:
    """Format a percentage; a dash where undefined."""
    return UNDEFINED if value is None else f"{value:.0%}"
