"""onnxruntime-web for tests, which never download it."""

from pathlib import Path

import pytest

from singleshot.exporting.formats.web.runtime import FILE, cached_runtime

# Where it is before a test names another folder of downloads.
FOUND = cached_runtime()


def web_runtime() -> Path:
    """Return the downloaded package, or skip the test."""
    if not FOUND.is_file():
        pytest.skip(f"needs {FILE} in {FOUND.parent}: export --to web --download-runtime")
    return FOUND
