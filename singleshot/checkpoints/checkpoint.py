"""Checkpoints: safetensors files with weights and all that rebuilds their detector, but no code.

The metadata holds the recipe, the class names, the version that wrote the file, and metrics.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from singleshot.checkpoints.header import is_checkpoint, read_about
from singleshot.detectors.detector import TrainableDetector
from singleshot.errors import ModelError
from singleshot.families import build_detector
from singleshot.files import write_atomically
from singleshot.recipes.load import recipe_from
from singleshot.recipes.schema import Recipe
from singleshot.version import __version__

__all__ = ["Checkpoint", "detector_from"]


@dataclass(frozen=True)
class Checkpoint:
    """Weights plus the recipe and class names needed to rebuild the detector."""

    weights: Mapping[str, Tensor]
    recipe: Recipe
    class_names: tuple[str, ...]
    metrics: Mapping[str, Any]  # progress of its training: steps, best validation

    def save(self, path: Path) -> None:
        """Write the file whole or not at all; raises RunFailed if the disk is full."""
        about = {
            "recipe": self.recipe.model_dump(mode="json", exclude_none=True),
            "class_names": self.class_names,
            "metrics": self.metrics,
            "version": __version__,
        }
        # Channels-last tensors count as not contiguous.
        weights = {name: tensor.contiguous() for name, tensor in self.weights.items()}
        with write_atomically(path) as beside:
            # Through bytes: safetensors' own writer turns a full disk into an error of its own.
            beside.write_bytes(save(weights, metadata={"singleshot": json.dumps(about)}))

    def fingerprint(self) -> str:
        """Hash the weights, the table `model` of the recipe, and the class names."""
        about = self.recipe.model.model_dump_json() + json.dumps(self.class_names)
        digest = hashlib.sha256(about.encode())
        for name, tensor in sorted(self.weights.items()):
            digest.update(name.encode())
            digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()

    @staticmethod
    def is_one(path: Path) -> bool:
        """Check whether a file was written by `save`."""
        return is_checkpoint(path)

    @staticmethod
    def class_names_of(path: Path) -> tuple[str, ...]:
        """Read the class names of a file that `is_one`, but not its weights."""
        return tuple(read_about(path)["class_names"])

    @classmethod
    def load(cls, path: Path) -> "Checkpoint":
        """Read a file on the CPU; raises ModelError if it is no checkpoint of singleshot."""
        about = read_about(path)
        try:
            with safe_open(path, framework="pt") as file:
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            recipe = recipe_from(about["recipe"], source=str(path))
            return cls(weights, recipe, tuple(about["class_names"]), about["metrics"])
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"{path}: not a checkpoint ({error}); expected a .safetensors file of a run"
            ) from error

    def restore(self, module: torch.nn.Module, source: str) -> None:
        """Load the weights into a module built from the same recipe and classes."""
        try:
            module.load_state_dict(dict(self.weights))
        except RuntimeError as error:
            mismatch = str(error).splitlines()[1].strip()  # torch opens with a headline
            raise ModelError(f"{source}: its weights do not fit its recipe: {mismatch}") from error


def detector_from(checkpoint: Checkpoint, source: str) -> TrainableDetector:
    """Rebuild the detector of a checkpoint; `source` is what an error names."""
    detector = build_detector(checkpoint.recipe.model, checkpoint.class_names, pretrained=False)
    checkpoint.restore(detector, source)
    return detector
