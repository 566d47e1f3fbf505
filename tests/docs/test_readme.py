"""README.md on PyPI, which resolves no link relative to the repository."""

from __future__ import annotations

import re
from pathlib import Path

from singleshot.backports import tomllib

REPOSITORY = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\(([^)]+)\)")
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def on_pypi(text: str) -> str:
    """Apply the substitutions with which the package is built."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    hook = project["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    for rule in hook["substitutions"]:
        text = re.sub(rule["pattern"], rule["replacement"], text)
    return text


def test_links_that_would_lead_nowhere_become_their_text():
    text = "see [how](docs/how.md#a), [x](https://example.org/x)\n\n![boxes](docs/boxes.png)\n"
    assert on_pypi(text) == "see how, [x](https://example.org/x)\n\n\n"


def test_no_relative_link_of_the_readme_is_left():
    assert [link for link in LINK.findall(on_pypi(README)) if not link.startswith("https://")] == []


def test_every_file_that_the_readme_links_is_there():
    links = [link.partition("#")[0] for link in LINK.findall(README)]
    missing = [
        link
        for link in links
        if not link.startswith("https://") and not (REPOSITORY / link).exists()
    ]
    assert missing == []
