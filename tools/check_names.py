"""Check public names and docstrings of the package: `python tools/check_names.py [PATH...]`.

A public function or class is defined once. The docstring of a function opens with a verb, that of a
class names the thing: openings such as "What" and "Whether" are refused. A past participle alone is
no name of a function or class.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
OPENINGS = {"What", "How", "Whether", "That", "Where", "Which", "Who", "Whose", "When", "Why"}
# Names that several modules of one folder define on purpose: the interface that all of them have.
INTERFACES = {
    "singleshot/evaluation/predictions": {"read", "rows_of", "looks_like"},
    "singleshot/exporting/formats": {"convert", "finish"},
}
PARTICIPLES = re.findall(
    r"\w+",
    "asked built drawn found given heard hung judged kept known left listed made meant named "
    "normalised read_out reached said sent settled shown swept taken taught told told_apart traced "
    "wanted worked written",
)

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def list_modules(paths: list[str]) -> list[Path]:
    """List the Python files of the given files and folders; the whole package if there are none."""
    places = [REPOSITORY / path for path in paths or ["singleshot"]]
    files = [place.rglob("*.py") if place.is_dir() else [place] for place in places]
    return sorted(path for found in files for path in found)


def definitions_of(path: Path) -> list[Definition]:
    """List all functions, methods and classes of a file, at any depth."""
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, Definition)]


def find_repeated(modules: list[Path]) -> Iterator[str]:
    """Find public names that two modules define, commands of the command line apart."""
    places: dict[str, list[Path]] = defaultdict(list)
    for path in modules:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, Definition) and not is_shared(node.name, path):
                places[node.name].append(path)
    for name, found in sorted(places.items()):
        if len(set(found)) > 1:
            where = ", ".join(str(path.relative_to(REPOSITORY)) for path in sorted(set(found)))
            yield f"{name} is defined in {where}"


def is_shared(name: str, path: Path) -> bool:
    """Tell whether a name may be defined again: a private one, a command, part of an interface."""
    inside = str(path.relative_to(REPOSITORY))
    interface = any(
        inside.startswith(folder) and name in names for folder, names in INTERFACES.items()
    )
    # Commands, and a program that is copied to devices, which shares no names with the package.
    programs = ("singleshot/cli/", "singleshot/runtimes/standalone/")
    return name.startswith("_") or inside.startswith(programs) or interface


def find_openings(path: Path) -> Iterator[str]:
    """Find docstrings that open with a question word or with "The same"."""
    tree = ast.parse(path.read_text())
    for node in [tree, *definitions_of(path)]:
        words = (ast.get_docstring(node) or "").split()[:2]
        if words and (words[0].rstrip(",:") in OPENINGS or words == ["The", "same"]):
            line = getattr(node, "lineno", 1)
            place = f"{path.relative_to(REPOSITORY)}:{line}"
            yield f"{place}: {getattr(node, 'name', path.stem)}: docstring opens with {words[0]!r}"


def find_participles(path: Path) -> Iterator[str]:
    """Find functions and classes that are named by a past participle alone."""
    for node in definitions_of(path):
        if node.name.strip("_").lower() in PARTICIPLES:
            place = f"{path.relative_to(REPOSITORY)}:{node.lineno}"
            yield f"{place}: {node.name} is neither a verb nor a noun"


def main(paths: list[str]) -> int:
    """Print the findings; the exit code is 1 if there are any."""
    modules = list_modules(paths)
    package = list_modules([])
    repeated = [
        line for line in find_repeated(package) if not paths or any(p in line for p in paths)
    ]
    findings = [*repeated]
    for path in modules:
        findings += [*find_openings(path), *find_participles(path)]
    print("\n".join(findings))
    print(f"{len(findings)} findings in names and docstrings", file=sys.stderr)
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
