"""Check that the tests of a file are found: `python tools/check_tests.py`.

`singleshot/a/b.py` is tested in `tests/a/test_b.py`, in `tests/a/test_b_*.py`, in a folder
`tests/a/b/`, or in a file with a line `# Tests singleshot/a/b.py` (several files with commas).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
TESTS = REPOSITORY / "tests"
LINE = re.compile(r"^# Tests (singleshot/.*)$", re.MULTILINE)


def mentioned() -> set[str]:
    """Collect the files that tests at other places name."""
    lines = [line for file in TESTS.rglob("test_*.py") for line in LINE.findall(file.read_text())]
    return {name.strip() for line in lines for name in line.split(",")}


def has_test_beside(path: Path) -> bool:
    """Tell whether a file of the package has its test at the same path in tests/."""
    inside = path.relative_to(REPOSITORY / "singleshot")
    folder = TESTS / inside.parent
    places = (f"test_{path.stem}.py", f"test_{path.stem}_*.py", f"{path.stem}/test_*.py")
    return any(True for place in places for _ in folder.glob(place))


def has_code(path: Path) -> bool:
    """Tell whether a file has anything to test: not a package's docstring and exports alone."""
    return (
        re.search(r"^(def|class|async def) |^    def ", path.read_text(), re.MULTILINE) is not None
    )


def main() -> int:
    """Print the files whose tests are not found, and mentioned files that do not exist."""
    files = sorted((REPOSITORY / "singleshot").rglob("*.py"))
    elsewhere = mentioned()
    missing = [
        str(path.relative_to(REPOSITORY))
        for path in files
        if has_code(path) and not has_test_beside(path)
    ]
    findings = [f"{name}: no test found" for name in missing if name not in elsewhere]
    findings += [
        f"{name}: named by a test, does not exist"
        for name in sorted(elsewhere)
        if not (REPOSITORY / name).is_file()
    ]
    print("\n".join(findings))
    print(f"{len(findings)} findings of {len(files)} files", file=sys.stderr)
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
