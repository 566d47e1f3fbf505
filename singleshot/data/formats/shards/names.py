"""Names of shards and their index, and the index's description of itself.

Imports no PyTorch: a data set in shards is recognised, and its splits are listed, without it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from singleshot.errors import DataError
from singleshot.files import describe_damage, read_safetensors_header

__all__ = ["FORMAT_KEY", "INDEX", "VERSION", "find_index", "index_content", "shard_name"]

INDEX = "index.safetensors"
FORMAT_KEY = "singleshot_shards"  # in the metadata of an index; its only one, in JSON
VERSION = 1


def shard_name(split: str, number: int) -> str:
    """Name a shard as webdataset's tools do: `train-000000.tar`."""
    return f"{split}-{number:06d}.tar"


def find_index(path: Path) -> Path | None:
    """Find the index in a folder, or the file itself; None where there is none of ours."""
    file = path / INDEX if path.is_dir() else path
    if file.name != INDEX or not file.is_file():
        return None
    try:
        metadata = read_safetensors_header(file).get("__metadata__", {})
    except (ValueError, OSError):
        # Cut short within its header: reading it shows so.
        return file if describe_damage(file) else None
    return file if isinstance(metadata, dict) and FORMAT_KEY in metadata else None


def index_content(file: Path) -> dict[str, Any]:
    """Read what an index states of its classes, shards and splits.

    Raises:
        DataError: it is damaged, or was written by another version.
    """
    if damage := describe_damage(file):
        raise DataError(f"{file}: {damage}")
    try:
        content = json.loads(read_safetensors_header(file)["__metadata__"][FORMAT_KEY])
        version, _ = content["version"], list(content["splits"])
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        raise DataError(
            f"{file}: damaged ({error}); copy it again, or convert the data set again"
        ) from error
    if version != VERSION:
        raise DataError(
            f"{file}: is of version {version}; this version of singleshot reads {VERSION}; "
            f"update singleshot, or convert the data set again"
        )
    return dict(content)
