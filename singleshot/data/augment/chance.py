"""Random choices, each from a generator that is handed in, so that a sample can be replayed."""

import torch

__all__ = ["happens", "pick", "uniform"]


def uniform(low: float, high: float, random: torch.Generator) -> float:
    """One number from the range."""
    return low + (high - low) * float(torch.rand((), generator=random))


def happens(probability: float, random: torch.Generator) -> bool:
    """Whether something of this probability happens now."""
    return float(torch.rand((), generator=random)) < probability


def pick(number: int, random: torch.Generator) -> int:
    """One of 0 … number - 1."""
    return int(torch.randint(number, (), generator=random))
