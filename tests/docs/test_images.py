"""The images of README and the documentation."""

from __future__ import annotations

import importlib
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


def test_the_diagram_of_heads_has_the_channels_of_the_built_network(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "docs")
    drawn = importlib.import_module("draw_ssd").heads_of_ssd300()
    assert drawn == (REPOSITORY / "docs/learn/ssd/heads.svg").read_text(encoding="utf-8")
    channels = re.findall(r'(?s)class="box".*?<text[^>]*>(\d+)<', drawn)
    assert list(map(int, channels)) == [16, 24, 24, 24, 16, 16]
