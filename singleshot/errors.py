"""What can go wrong for a user; anything else is a mistake of ours and keeps its traceback.

SingleshotError          one line, exit code 2: what was asked is impossible
├── DataError            an image, an annotation or a data set
├── RecipeError          a recipe: unknown key, value out of bounds
├── ModelError           a model file, or a model that does not fit what it is asked to do
├── StorageError         a file cannot be written: a full disk, a folder without permission
└── RunFailed            exit code 1: it was possible, yet it failed on the way
    ├── Diverged         … because a loss or a gradient is no number any more
    └── SaidElsewhere    … in another process, which says what happened
"""

from collections.abc import Collection
from itertools import islice

__all__ = [
    "DataError",
    "Diverged",
    "ModelError",
    "RecipeError",
    "RunFailed",
    "SaidElsewhere",
    "SingleshotError",
    "StorageError",
    "some_of",
]

LISTED = 6  # names in one message


class SingleshotError(Exception):
    """Names the place, the value and the remedy, in one or two lines."""

    exit_code = 2


class DataError(SingleshotError):
    """An image, an annotation or a data set cannot be used."""


class RecipeError(SingleshotError):
    """A recipe says something that is not understood."""


class ModelError(SingleshotError):
    """A model file cannot be used, or does not fit what it is asked to do."""


class StorageError(SingleshotError):
    """A file cannot be written; what was there before is untouched."""


class RunFailed(SingleshotError):
    """The work was possible but failed on the way: a full disk, a process that died."""

    exit_code = 1


class Diverged(RunFailed):
    """A loss or a gradient is not finite: the fault of the recipe's values, or of an image."""


class SaidElsewhere(RunFailed):
    """Another of several processes failed, and says why: this one keeps silent."""


def some_of(names: Collection[str]) -> str:
    """The first six for a message, "cat, dog and 3 more"; the whole list could fill the screen."""
    listed = ", ".join(islice(names, LISTED))
    return listed if len(names) <= LISTED else f"{listed} and {len(names) - LISTED} more"
