"""Read what a checkpoint holds besides its weights, without importing PyTorch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from singleshot.errors import ModelError
from singleshot.files import describe_damage, read_safetensors_header

__all__ = ["is_checkpoint", "read_about"]


def read_about(path: Path) -> Mapping[str, Any]:
    """Read recipe, class names, metrics and version of a checkpoint, as JSON.

    Raises ModelError if the file is missing, damaged or no checkpoint of singleshot.
    """
    damage = describe_damage(path)
    if damage is not None:
        raise ModelError(f"{path}: {damage}")
    try:
        about: Mapping[str, Any] = json.loads(
            read_safetensors_header(path)["__metadata__"]["singleshot"]
        )
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such file") from error
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path}: not a checkpoint; expected a run folder or the .safetensors file of a run"
        ) from error
    return about


def is_checkpoint(path: Path) -> bool:
    """Check whether a file is a whole checkpoint of singleshot."""
    try:
        read_about(path)
    except ModelError:
        return False
    return True
