"""The device that a detector is on, and the images that fit into its memory."""

from collections.abc import Callable

import torch

from singleshot.errors import SingleshotError
from singleshot.options import Device, check_device

__all__ = ["halve_until_it_fits", "require_device"]


def require_device(current: torch.device | None, requested: Device) -> None:
    """Raise SingleshotError where a detector that is loaded is to be used on another device."""
    check_device(requested)
    if str(requested) in ("auto", str(current), "" if current is None else current.type):
        return
    raise SingleshotError(
        f"device: {requested}: the detector was loaded already (it is on {current}); move it with "
        f"detector.to({str(requested)!r}), or give its path"
    )


def halve_until_it_fits(attempt: Callable[[int], object], number: int) -> int:
    """Halve a number of images, which did not fit, until `attempt` has enough memory for it.

    Returns 0 where not even one fits. Call it outside of an `except` block: inside, the failed
    attempt still holds its tensors.
    """
    while number > 1:
        number = (number + 1) // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            attempt(number)
        except (torch.OutOfMemoryError, ValueError):  # batch norm refuses to train on one value
            continue
        return number
    return 0
