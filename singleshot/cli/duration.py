"""Times as people write them."""

from __future__ import annotations

import re

import typer

__all__ = ["seconds_in"]

SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}
AMOUNT = r"(\d+(?:\.\d+)?)"
WRITTEN = re.compile(rf"(?:{AMOUNT}h)?(?:{AMOUNT}m)?(?:{AMOUNT}s)?")


def seconds_in(text: str) -> float:
    """Of 90s, 20m, 1.5h or 1h30m; raises typer.BadParameter for anything else, as 0s and 20."""
    found = WRITTEN.fullmatch(text.strip().lower())
    amounts = zip(SECONDS.values(), found.groups() if found else (), strict=False)
    seconds = sum(unit * float(amount) for unit, amount in amounts if amount)
    if not seconds:
        raise typer.BadParameter(f"{text!r} is no time; write 90s, 20m, 1.5h or 1h30m")
    return seconds
