"""Numbers of images that fit into the memory of a GPU."""

from collections.abc import Callable

import torch

__all__ = ["halve_until_it_fits"]


def halve_until_it_fits(attempt: Callable[[int], object], number: int) -> int:
    """Halve a number of images, which did not fit, until `attempt` has enough memory for it.

    Returns 0 where not even one fits. Call it outside of an `except` block: inside, the failed
    attempt still holds its tensors.
    """
    while number := number // 2:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            attempt(number)
        except (torch.OutOfMemoryError, ValueError):  # batch norm refuses to train on one value
            continue
        return number
    return 0
