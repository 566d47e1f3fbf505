from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("material", reason="needs the documentation tools: pip install -e '.[docs]'")

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", folder],
        cwd=REPOSITORY,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=True,
    )
    return folder


def test_the_site_loads_nothing_from_the_network(site):
    pages = [page.read_text() for page in site.rglob("*.html")]
    assert pages
    for page in pages:
        assert 'src="http' not in page
        assert "fonts.googleapis" not in page


def test_generated_parts_are_filled_in(site):
    commands = (site / "reference/command-line/index.html").read_text()
    assert "Usage: singleshot models show" in commands
    recipes = (site / "reference/recipes/index.html").read_text()
    for part in ("ssdlite320-lite0", "[training.schedule]", "learning_rate"):
        assert part in recipes
    metrics = (site / "reference/metrics/index.html").read_text()
    for part in ('id="every_point"', 'id="log_average_miss_rate"', 'id="find_errors"', "VOCap.m"):
        assert part in metrics
    assert "generated:" not in commands + recipes + metrics
