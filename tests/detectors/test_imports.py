"""A family's network needs the files of its own folder and of the common ones, and no more."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import singleshot
from singleshot.backports import tomllib

ROOT = Path(singleshot.__file__).parent.parent


def file_of(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    return next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.exists()), None)


def imported_by(path: Path) -> Iterator[str]:
    """Modules that are imported along with a file.

    Not those that a function imports later, or that only types need (TYPE_CHECKING).
    """
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def import_closure(*modules: str) -> set[Path]:
    """The package's files that are imported along with modules, themselves included.

    The `__init__.py` of every package on the way counts as well, unless it imports nothing.
    """
    found: set[Path] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name.partition(".")[0] != "singleshot":
            continue
        waiting.append(name.rpartition(".")[0])  # a package is imported before its modules
        path = file_of(name)
        if path is not None and path not in found:
            found.add(path)
            waiting += imported_by(path)
    return {path for path in found if path.stem != "__init__" or any(imported_by(path))}


def test_the_localizer_needs_few_files():
    folder = ROOT / "singleshot/detectors/localizer"
    modules = [f"singleshot.detectors.localizer.{path.stem}" for path in folder.glob("*.py")]
    closure = import_closure(*modules)
    assert closure >= set(folder.glob("*.py"))
    read = sorted(str(path.relative_to(ROOT)) for path in closure)
    assert "singleshot/detectors/detector.py" in read
    assert "singleshot/version.py" in read
    assert len(read) <= 36, "\n".join(read)


def test_the_contract_imports_no_family():
    closure = import_closure("singleshot.detectors.detector")
    detectors = ROOT / "singleshot/detectors"
    inside = {p.relative_to(detectors).parts[0] for p in closure if p.is_relative_to(detectors)}
    assert inside == {"common", "detector.py"}


def test_the_contracts_of_imports_name_every_family():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (independent,) = (one["modules"] for one in contracts if one["type"] == "independence")
    (forbidden,) = (one["forbidden_modules"] for one in contracts if one["type"] == "forbidden")
    folders = {path.parent.name for path in (ROOT / "singleshot/detectors").glob("*/*.py")}
    families = sorted(f"singleshot.detectors.{name}" for name in folders - {"common"})
    assert sorted(independent) == families
    assert sorted(forbidden) == families
