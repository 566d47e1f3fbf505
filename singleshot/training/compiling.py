"""The network compiled by PyTorch (torch.compile)."""

import torch
from torch import Tensor, nn

from singleshot.errors import RecipeError

__all__ = ["compile_network"]


def compile_network(model: nn.Module, device: torch.device) -> None:
    """From now on the forward pass is one compiled graph; names and copies of the model stay plain.

    Raises RecipeError where nothing can be compiled.
    """
    try:
        # The smallest graph there is, so that a missing compiler is found before anything begins.
        torch.compile(twice, dynamic=False)(torch.zeros(1, device=device))
    except Exception as error:  # each back end has kinds of its own
        what = str(error).strip().partition("\n")[0]
        raise RecipeError(
            f"training.compile = true: PyTorch cannot compile here ({what}); install a C++ "
            f"compiler such as g++ (for a GPU, Triton), or leave it out"
        ) from error
    model.compile(dynamic=False)


def twice(number: Tensor) -> Tensor:
    return number + number
