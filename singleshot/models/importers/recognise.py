"""Whose weights a file holds, told by what is in it, and the importer that reads them."""

from pathlib import Path

from singleshot.errors import ModelError
from singleshot.models.checkpoint import Checkpoint

__all__ = ["KINDS", "read_weights", "recognised"]

KINDS: tuple[str, ...] = ()


def read_weights(path: Path, kind: str) -> Checkpoint:
    """Other people's weights as a checkpoint of ours; `kind` is one of KINDS."""
    raise ModelError(f"{path}: --from {kind}: there are {', '.join(KINDS)}")


def recognised(path: Path) -> str | None:
    """The kind of a file, by its first bytes and the names of its tensors; None: no detector."""
    if not path.exists():
        raise ModelError(f"{path}: no such file")
    return None
