"""COCO's class names, and the gaps in their ids.

Of 91 planned classes 80 were annotated, and their ids were left as they were. Many detectors have a
column for each id, 0 being the background.
"""

from pathlib import Path
from typing import NamedTuple

from singleshot.errors import ModelError
from singleshot.importers.class_names import COCO_NAMES, class_names_for

__all__ = ["Columns", "class_columns"]

COLUMNS_BY_ID = 91
GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)  # ids below 91 that no class has


class Columns(NamedTuple):
    """What the columns of other people's class outputs mean, but for the background's at 0."""

    names: tuple[str, ...]  # of our classes
    used: tuple[int, ...]  # the column of each of them
    unused: tuple[int, ...]  # columns that stand for nothing


def class_columns(number: int, path: Path) -> Columns:
    """Of the class outputs in this file, which have so many columns, the first for the background.

    91 columns are COCO's ids; of others every column is a class. Raises ModelError for none.
    """
    if number < 2:
        raise ModelError(f"{path}: its class outputs know no class but the background")
    gaps = GAPS if number == COLUMNS_BY_ID else ()
    used = tuple(column for column in range(1, number) if column not in gaps)
    names = COCO_NAMES if gaps else class_names_for(len(used), path)
    return Columns(names, used, gaps)
