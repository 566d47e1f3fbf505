"""Exported models on disk: a folder with a manifest, or one of its model files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from singleshot.errors import ModelError
from singleshot.runtimes.manifest import MANIFEST_NAME, Manifest

__all__ = ["METADATA_KEY", "MODEL_SUFFIXES", "Artifact", "find_artifact"]

METADATA_KEY = "singleshot"  # of the manifest in the metadata of an ONNX file
MODEL_SUFFIXES = frozenset((".bin", ".onnx", ".param", ".pte", ".rknn", ".tflite", ".xml"))
AMBIGUOUS_SUFFIX = ".bin"  # also of weights in PyTorch's and TensorFlow.js' formats


@dataclass(frozen=True)
class Artifact:
    """An exported model: its manifest and its files."""

    path: Path  # as it was given: the folder or a file
    manifest: Manifest
    files: tuple[Path, ...]  # the one to open first

    @property
    def num_bytes(self) -> int:
        """Size of the files of the model."""
        return sum(path.stat().st_size for path in self.files)


def find_artifact(path: Path) -> Artifact | None:
    """Find the exported model at a path: a folder or a model file; None for anything else.

    Raises ModelError for a manifest that is damaged or newer, for a model file without a manifest,
    and where a file of the model is missing.
    """
    if not path.is_dir() and path.suffix.lower() not in MODEL_SUFFIXES:
        return None
    folder = path if path.is_dir() else path.parent
    manifest_file = folder / MANIFEST_NAME
    if manifest_file.is_file():
        return _from_manifest(path, manifest_file)
    if path.is_dir() or path.suffix.lower() == AMBIGUOUS_SUFFIX:
        return None
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    manifest = _from_metadata(path) if path.suffix.lower() == ".onnx" else None
    if manifest is None:
        raise ModelError(
            f"{path}: there is no {MANIFEST_NAME} beside it, which holds classes and priors; give "
            f"a model that `singleshot export` wrote, with its whole folder"
        )
    return Artifact(path, manifest, (path,))


def _from_manifest(path: Path, manifest_file: Path) -> Artifact | None:
    """Read the manifest of a folder; None where it is another program's."""
    try:
        document = json.loads(manifest_file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{manifest_file}: damaged: {error}; export the model again") from error
    if not isinstance(document, dict) or "manifest_version" not in document:
        if path.is_dir() or path.suffix.lower() == AMBIGUOUS_SUFFIX:
            return None
        raise ModelError(f"{manifest_file}: not the manifest of an exported model")
    manifest = Manifest.from_json(document, str(manifest_file))
    files = tuple(manifest_file.parent / name for name in manifest.files)
    if not files or any(Path(name).name != name for name in manifest.files):
        raise ModelError(
            f"{manifest_file}: damaged: names no files, or some outside its folder; export the "
            f"model again"
        )
    if not path.is_dir() and path.name not in manifest.files:
        raise ModelError(
            f"{path}: {manifest_file} describes another model: {', '.join(manifest.files)}"
        )
    for file in files:
        if not file.is_file():
            raise ModelError(f"{file}: missing; copy the whole folder, or export the model again")
    return Artifact(path, manifest, files)


def _from_metadata(path: Path) -> Manifest | None:
    """Read the manifest in the metadata of an ONNX file; None without one."""
    try:
        import onnxruntime  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ModelError(
            f"{path}: onnxruntime is needed to read it ({error}); install it with: "
            f"pip install 'singleshot[onnx]'"
        ) from error
    try:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # of onnxruntime's own kinds
        raise ModelError(
            f"{path}: not a whole ONNX model: {str(error).splitlines()[0]}; copy it again"
        ) from error
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: its metadata is damaged: {error}; export it again") from error
    if not isinstance(document, dict):
        raise ModelError(f"{path}: its metadata is damaged: no manifest; export it again")
    return Manifest.from_json(document, str(path))
