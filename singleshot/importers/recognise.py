"""Whose weights a file holds, told by what is in it, and the importer that reads them."""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from singleshot.backbones.weights import read_state_dict
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.errors import ModelError
from singleshot.importers import amdegroot, lufficc, qfgaohao, torchvision, ultraface
from singleshot.importers.caffe.detector import read_caffe
from singleshot.importers.darknet.detector import read_darknet
from singleshot.importers.tensorflow import looks_like as looks_like_tensorflow
from singleshot.importers.tensorflow import read_tensorflow

__all__ = ["KINDS", "read_weights", "recognised"]

READERS: Mapping[str, Callable[[Path], Checkpoint]] = {
    "torchvision": torchvision.read_torchvision,
    "amdegroot": amdegroot.read_amdegroot,
    "lufficc": lufficc.read_lufficc,
    "qfgaohao": qfgaohao.read_qfgaohao,
    "caffe": read_caffe,
    "tensorflow": read_tensorflow,
    "ultraface": ultraface.read_ultraface,
    "darknet": read_darknet,
}
KINDS = tuple(READERS)

# Of those that come as a PyTorch file; UltraFace's names are a special case of qfgaohao's.
LOOKS: Mapping[str, Callable[[Mapping[str, Tensor]], bool]] = {
    "torchvision": torchvision.looks_like,
    "amdegroot": amdegroot.looks_like,
    "lufficc": lufficc.looks_like,
    "ultraface": ultraface.looks_like,
    "qfgaohao": qfgaohao.looks_like,
}
PYTORCH_BEGINS = (b"PK\x03\x04", b"\x80")  # a zip archive; before PyTorch 1.6, a bare pickle


def read_weights(path: Path, kind: str) -> Checkpoint:
    """Other people's weights as a checkpoint of ours; `kind` is one of KINDS.

    Raises ModelError for what is damaged, of another kind, or beyond what an SSD of ours can be.
    """
    if kind not in READERS:
        raise ModelError(f"--from {kind}: there are {', '.join(KINDS)}")
    return READERS[kind](existing(path))


def recognised(path: Path) -> str | None:
    """The kind of a file, by its first bytes and the names of its tensors.

    None for anything else: a classifier's weights, perhaps.
    """
    if looks_like_tensorflow(existing(path)):
        return "tensorflow"
    if path.is_dir():
        raise ModelError(f"{path}: a folder with neither a run's recipe.toml nor a model.json")
    if path.suffix in {".weights", ".cfg"}:
        return "darknet"  # its weights are bare numbers, told by their name alone
    content = path.read_bytes()
    if content.startswith(PYTORCH_BEGINS):
        state = read_state_dict(path)
        return next((kind for kind, looks_like in LOOKS.items() if looks_like(state)), None)
    # Every network has a convolution, and Caffe says so in its text and in its weights.
    return "caffe" if b"Convolution" in content else None


def existing(path: Path) -> Path:
    if not path.exists():
        raise ModelError(f"{path}: no such file")
    return path
