"""A family's network needs the files of its own folder and of the common ones, and no more."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import singleshot

ROOT = Path(singleshot.__file__).parent.parent


def file_of(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    return next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.exists()), None)


def imported_by(path: Path) -> Iterator[str]:
    """Modules that are imported along with a file: not those that a function imports later."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def import_closure(module: str) -> set[Path]:
    """The package's files that are imported along with a module, itself included."""
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if not name.startswith("singleshot."):
            continue
        waiting.append(name.rpartition(".")[0])  # a package is imported before its modules
        path = file_of(name)
        if path is not None and path not in found:
            found.add(path)
            waiting += imported_by(path)
    return found


def test_the_localizer_needs_few_files():
    closure = import_closure("singleshot.detectors.localizer.network")
    read = sorted(str(path.relative_to(ROOT)) for path in closure if path.stem != "__init__")
    assert "singleshot/detectors/detector.py" in read
    assert len(read) <= 22, "\n".join(read)


def test_the_contract_imports_no_family():
    closure = import_closure("singleshot.detectors.detector")
    detectors = ROOT / "singleshot/detectors"
    inside = {p.relative_to(detectors).parts[0] for p in closure if p.is_relative_to(detectors)}
    assert inside == {"__init__.py", "common", "detector.py"}
