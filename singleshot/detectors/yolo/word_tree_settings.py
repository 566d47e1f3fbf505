"""A tree of words (WordTree, Redmon and Farhadi 2017, §4), written as Darknet does.

A line is a name and the number of the line of its parent, from 0; -1: it has none. Parents are
above their children, and the children of one parent stand together (src/tree.c, `read_tree`).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["ROOT", "Node", "nodes_of", "tree_lines"]

ROOT = -1  # the parent of those that have none


class Node(NamedTuple):
    """A word and the word that it is a kind of."""

    name: str
    parent: int  # its number, or ROOT


def tree_lines(value: object) -> object:
    """What a recipe says: the name of a file becomes its lines, so that a checkpoint has them.

    Raises ValueError for a file that cannot be read.
    """
    if not isinstance(value, str):
        return value
    try:
        text = Path(value).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"not readable as a tree of words: {error}") from error
    return tuple(line for line in text.splitlines() if line.strip())


def nodes_of(lines: Iterable[str]) -> list[Node]:
    """The nodes of a tree; raises ValueError, which names the line, for what is none."""
    nodes: list[Node] = []
    for number, line in enumerate(lines):
        name, _, parent = line.strip().rpartition(" ")
        if not name.strip() or not parent.removeprefix("-").isdecimal():
            raise ValueError(f"line {number + 1}, {line[:60]!r}: expected a name and a number")
        node = Node(name.strip(), int(parent))
        if not ROOT <= node.parent < number:
            raise ValueError(
                f"line {number + 1}, {line[:60]!r}: a parent is the number of a line above, from "
                f"0, or -1"
            )
        nodes.append(node)
    require_families(nodes)
    return nodes


def require_families(nodes: Sequence[Node]) -> None:
    """One softmax is over the children of one parent, which stand together."""
    names: set[str] = set()
    for node in nodes:
        if node.name in names:
            raise ValueError(f"two lines are called {node.name!r}")
        names.add(node.name)
    seen: set[int] = set()
    for before, node in zip([None, *nodes], nodes, strict=False):
        if before is not None and before.parent == node.parent:
            continue
        if node.parent in seen:
            raise ValueError(f"{node.name!r} does not stand beside the others of its parent")
        seen.add(node.parent)
