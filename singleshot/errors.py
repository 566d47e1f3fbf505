"""Errors that a user can act on; any other exception is a bug and keeps its traceback.

SingleshotError                   exit code 2: the request is impossible
├── DataError                     an image, an annotation or a data set
├── RecipeError                   a recipe: unknown key, value out of bounds
├── ModelError                    a model file, or a model used for what it does not support
├── PluginError                   an extension from another package
├── StorageError                  a file cannot be written: full disk, missing permission
└── RunFailed                     exit code 1: the work was possible but failed
    ├── NonFiniteLoss             … because a loss or a gradient is NaN or infinite
    ├── TooLittleMemory           … because images do not fit into the memory of a GPU
    └── FailedInAnotherProcess    … in another process, which prints the reason
"""

from collections.abc import Collection
from difflib import get_close_matches
from itertools import islice

__all__ = [
    "DataError",
    "FailedInAnotherProcess",
    "ModelError",
    "NonFiniteLoss",
    "PluginError",
    "RecipeError",
    "RunFailed",
    "SingleshotError",
    "StorageError",
    "TooLittleMemory",
    "near_names",
    "some_of",
]

_MOST_NAMES = 6  # in one message


class SingleshotError(Exception):
    """Base of all errors that a user can act on; the message has the place, value and remedy."""

    exit_code = 2


class DataError(SingleshotError):
    """An image, an annotation or a data set cannot be used."""


class RecipeError(SingleshotError):
    """A recipe has an unknown key or an invalid value."""


class ModelError(SingleshotError):
    """A model file cannot be read, or the model does not support an operation."""


class PluginError(SingleshotError):
    """An extension from another package cannot be loaded or registered."""


class StorageError(SingleshotError):
    """A file cannot be written; the previous file is untouched."""


class RunFailed(SingleshotError):
    """The work was possible but failed: full disk, too little memory, a killed process."""

    exit_code = 1


class NonFiniteLoss(RunFailed):
    """A loss or a gradient is NaN or infinite, because of recipe values or an image."""


class TooLittleMemory(RunFailed):
    """Images do not fit together into the memory of a GPU."""

    def __init__(self, message: str, num_fitting: int) -> None:
        super().__init__(message)
        self.num_fitting = num_fitting  # images that do fit; 0: not even one


class FailedInAnotherProcess(RunFailed):
    """Another process of the same job failed and prints the reason; this one stays silent."""


def near_names(name: str, known: Collection[str]) -> str:
    """Join up to three names like this one for a message: "'cat' or 'car'"; "" where none is."""
    return " or ".join(map(repr, get_close_matches(name, known, n=3)))


def some_of(names: Collection[str]) -> str:
    """Join the first six names for a message: "cat, dog and 3 more"."""
    first = ", ".join(islice(names, _MOST_NAMES))
    num_more = len(names) - _MOST_NAMES
    return f"{first} and {num_more} more" if num_more > 0 else first
