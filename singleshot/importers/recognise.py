"""Kinds of foreign weights: detect the kind of a file and import it."""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from singleshot.backbones.weights import read_state_dict
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.errors import ModelError
from singleshot.files import describe_damage
from singleshot.importers.amdegroot import is_amdegroot, read_amdegroot
from singleshot.importers.caffe.detector import read_caffe
from singleshot.importers.darknet.detector import read_darknet
from singleshot.importers.lufficc import is_lufficc, read_lufficc
from singleshot.importers.qfgaohao import is_qfgaohao, read_qfgaohao
from singleshot.importers.tensorflow import is_tensorflow, read_tensorflow
from singleshot.importers.torchvision import is_torchvision, read_torchvision
from singleshot.importers.ultraface import is_ultraface, read_ultraface

__all__ = ["WEIGHT_KINDS", "detect_weight_kind", "import_weights"]

IMPORTERS: Mapping[str, Callable[[Path], Checkpoint]] = {
    "torchvision": read_torchvision,
    "amdegroot": read_amdegroot,
    "lufficc": read_lufficc,
    "qfgaohao": read_qfgaohao,
    "caffe": read_caffe,
    "tensorflow": read_tensorflow,
    "ultraface": read_ultraface,
    "darknet": read_darknet,
}
WEIGHT_KINDS = tuple(IMPORTERS)

# Kinds in PyTorch files; UltraFace's names are a special case of qfgaohao's and come before them.
PYTORCH_KINDS: Mapping[str, Callable[[Mapping[str, Tensor]], bool]] = {
    "torchvision": is_torchvision,
    "amdegroot": is_amdegroot,
    "lufficc": is_lufficc,
    "ultraface": is_ultraface,
    "qfgaohao": is_qfgaohao,
}
SSD_MARKS = (b"mbox", b"PriorBox", b"DetectionOutput")  # names and types of layers in Caffe
PYTORCH_BEGINS = (b"PK\x03\x04", b"\x80")  # a zip archive; before PyTorch 1.6, a bare pickle


def import_weights(path: Path, kind: str) -> Checkpoint:
    """Import foreign weights of a kind of WEIGHT_KINDS as a checkpoint.

    Raises ModelError for weights that are damaged, of another kind, or of a network that ours
    cannot express.
    """
    if kind not in IMPORTERS:
        raise ModelError(f"--from {kind}: there are {', '.join(WEIGHT_KINDS)}")
    _require_existing(path)
    return IMPORTERS[kind](path)


def detect_weight_kind(path: Path) -> str | None:
    """Detect the kind of a file by its first bytes and the names of its tensors.

    None for an unknown file, such as the weights of a classifier.
    """
    _require_existing(path)
    if is_tensorflow(path):
        return "tensorflow"
    if path.is_dir():
        raise ModelError(f"{path}: a folder with neither a run's recipe.toml nor a model.json")
    if damage := describe_damage(path):
        raise ModelError(f"{path}: {damage}")
    if path.suffix in {".weights", ".cfg"}:
        return "darknet"  # its weights are bare numbers, known by their suffix alone
    content = path.read_bytes()
    if content.startswith(PYTORCH_BEGINS):
        state = read_state_dict(path)
        return next((kind for kind, is_kind in PYTORCH_KINDS.items() if is_kind(state)), None)
    # Every network has a convolution, which Caffe's text and weights both name. A VGG16 without
    # heads or priors is a classifier: the start of a backbone.
    is_classifier = b"fc7" in content and not any(mark in content for mark in SSD_MARKS)
    return "caffe" if b"Convolution" in content and not is_classifier else None


def _require_existing(path: Path) -> None:
    if not path.exists():
        raise ModelError(f"{path}: no such file")
