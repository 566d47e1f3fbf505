"""What the network predicts at each prior, for rules that match by it."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

__all__ = ["Predicted"]


class Predicted(NamedTuple):
    """Decoded outputs of a batch."""

    boxes: Float[Tensor, "b priors 4"]  # pixels of the input
    scores: Float[Tensor, "b priors classes"]
