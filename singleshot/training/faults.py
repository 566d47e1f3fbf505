"""What can go wrong in the middle of a training, in words that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from singleshot.errors import DataError, RunFailed, StorageError
from singleshot.recipes.training import TrainingSettings

__all__ = ["explained", "is_lack_of_memory"]

# PyTorch raises a plain RuntimeError for a processor, and a kind of it for a GPU.
WORDS_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")


@contextmanager
def explained(settings: TrainingSettings) -> Iterator[None]:
    """Turn what breaks off a training that had begun into a RunFailed with the remedy."""
    try:
        yield
    except DataError as error:
        raise RunFailed(
            f"{error}; then --resume goes on: what was learned until then is saved"
        ) from error
    except StorageError as error:
        raise RunFailed(
            f"{error}; make room, then --resume goes on from what was saved last"
        ) from error
    except (MemoryError, RuntimeError) as error:
        if not is_lack_of_memory(error):
            raise
        what = str(error).partition("\n")[0] or "no more to have"
        raise RunFailed(
            f"too little memory for a step ({what}). Begin a new run with a smaller "
            f"training.batch_size (now {settings.batch_size}; training.accumulate makes up for "
            f"it) or model.input, or --resume where there is more: what was saved last is good"
        ) from error


def is_lack_of_memory(error: Exception) -> bool:
    """Of the computer's or of a GPU's."""
    if isinstance(error, MemoryError):
        return True
    return any(words in str(error).lower() for words in WORDS_OF_MEMORY)
