"""The images of README and the documentation."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+\.(?:png|svg))\)")
MOST_BYTES = 150_000


def shown_images() -> dict[Path, list[str]]:
    """The image files that pages show, with their alternative texts."""
    found: dict[Path, list[str]] = {}
    for page in [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")]:
        for text, path in IMAGE.findall(page.read_text()):
            found.setdefault((page.parent / path).resolve(), []).append(text)
    return found


def test_every_image_has_a_text_that_describes_it():
    short = [path.name for path, texts in shown_images().items() if min(map(len, texts)) < 20]
    assert short == []


def test_every_image_is_small_and_shown():
    files = {path for kind in ("png", "svg") for path in (REPOSITORY / "docs").rglob(f"*.{kind}")}
    assert files == {path for path in shown_images() if path.is_relative_to(REPOSITORY / "docs")}
    assert [path.name for path in files if path.stat().st_size > MOST_BYTES] == []
