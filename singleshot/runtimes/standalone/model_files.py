"""The folder of a model: its manifest, and whether its files are those that it describes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["MANIFEST_NAME", "MANIFEST_VERSION", "ModelFileError", "check_files", "read_manifest"]

MANIFEST_NAME = "model.json"
MANIFEST_VERSION = 1  # the newest that is known

REQUIRED_KEYS = (
    "format",
    "contract",
    "class_names",
    "files",
    "input",
    "outputs",
    "decoding",
    "postprocessing",
)


class ModelFileError(Exception):
    """A model file is missing, damaged or of another model, or its runtime is missing."""


def read_manifest(path: Path) -> dict[str, Any]:
    """Read `model.json` of a folder, or of the folder that a model file is in."""
    file = (path if path.is_dir() else path.parent) / MANIFEST_NAME
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelFileError(
            f"{file}: missing: it describes the model; copy the whole folder that was exported"
        ) from error
    except OSError as error:
        raise ModelFileError(f"{file}: not readable: {error.strerror}") from error
    except ValueError as error:
        raise ModelFileError(f"{file}: damaged: {error}; copy it again") from error
    if not isinstance(document, dict) or "manifest_version" not in document:
        raise ModelFileError(f"{file}: not the manifest of an exported model")
    version = document["manifest_version"]
    if not isinstance(version, int) or version > MANIFEST_VERSION:
        raise ModelFileError(
            f"{file}: manifest version {version}, known is {MANIFEST_VERSION}: use the detect.py "
            f"that the model was exported with"
        )
    if missing := [key for key in REQUIRED_KEYS if key not in document]:
        raise ModelFileError(f"{file}: damaged: no {', '.join(missing)}; copy it again")
    return document


def check_files(folder: Path, manifest: Mapping[str, Any]) -> Path:
    """Compare the files of the model with the manifest, and return the one to open."""
    if not isinstance(manifest["files"], dict) or not manifest["files"]:
        raise ModelFileError(f"{folder / MANIFEST_NAME}: damaged: names no files; copy it again")
    for name, expected in manifest["files"].items():
        path = folder / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelFileError(f"{path}: not readable: {error.strerror}") from error
        if len(content) < expected["bytes"]:
            raise ModelFileError(
                "{}: cut short: {} of {} bytes; copy it again".format(
                    path, len(content), expected["bytes"]
                )
            )
        if hashlib.sha256(content).hexdigest() != expected["sha256"]:
            raise ModelFileError(
                f"{path}: not the file that {MANIFEST_NAME} describes: damaged, or of another "
                "model; copy both again, or export again"
            )
    first: str = next(iter(manifest["files"]))
    return folder / first
