"""The built site, once for all tests that read it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the built site; warnings, such as of dead links, end the build."""
    pytest.importorskip(
        "material", reason="needs the documentation tools: pip install -e '.[docs]'"
    )
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", folder],
        cwd=REPOSITORY,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=True,
    )
    return folder


@pytest.fixture(scope="session")
def lessons():
    """The lessons of the tutorial, by the names of their files."""
    sys.path.append(str(REPOSITORY / "docs"))
    from tutorial.lessons import find_lessons

    return {lesson.name: lesson for lesson in find_lessons()}
