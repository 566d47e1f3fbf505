"""The program of an exported folder: the files of `runtimes.standalone` joined into one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from singleshot.runtimes import standalone

__all__ = ["detect_program"]

# In the order of their imports; the last one is the command, whose docstring is the program's.
MODULES = (
    "model_files",
    "image_files",
    "resizing",
    "decoding",
    "selection",
    "signal_stack",
    "engines",
    "native",
    "detect",
)
NUMPY = """
try:
    import numpy as np
except ImportError:
    if __name__ != "__main__":
        raise
    print("Error: NumPy is needed; install it with: pip install numpy", file=sys.stderr)
    sys.exit(2)
"""


def detect_program() -> str:
    """Join the files: one docstring, the imports of all, then the code of each."""
    folder = Path(standalone.__file__).parent
    sources = [(folder / f"{name}.py").read_text(encoding="utf-8") for name in MODULES]
    trees = [ast.parse(source) for source in sources]
    imports = sorted({line for tree in trees for line in _imports(tree)}, key=_import_order)
    parts = [f'"""{ast.get_docstring(trees[-1], clean=False)}"""\n']
    parts.append("from __future__ import annotations\n")
    parts.append("\n".join(imports))
    parts.append(NUMPY)
    for source, tree in zip(sources, trees, strict=True):
        title = (ast.get_docstring(tree) or "").splitlines()[0]
        parts.append(f"\n# {'-' * 8} {title}\n\n{_body(source, tree)}")
    return "\n".join(parts)


def _imports(tree: ast.Module) -> Iterator[str]:
    """Yield the imports of the standard library, one name each."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (f"import {one.name}" for one in node.names if one.name != "numpy")
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if module != "__future__" and not module.startswith("singleshot"):
                yield from (f"from {module} import {one.name}" for one in node.names)


def _import_order(line: str) -> tuple[bool, str]:
    """Order `import x` before `from x import y`."""
    return line.startswith("from"), line


def _body(source: str, tree: ast.Module) -> str:
    """Return what follows the docstring, the imports and `__all__`, with its comments."""
    head = 0
    for node in tree.body:
        is_all = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        is_docstring = isinstance(node, ast.Expr)
        if not (is_all or is_docstring or isinstance(node, ast.Import | ast.ImportFrom)):
            break
        head = node.end_lineno or head
    return "".join(source.splitlines(keepends=True)[head:]).strip("\n") + "\n"
