"""Columns of numbers out of JSON objects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from jaxtyping import Float64

__all__ = ["box_column", "number_column"]

Objects = Sequence[dict[str, Any]]
NUMBERS = {int, float}  # by their very type, because True is an int


def number_column(objects: Objects, key: str) -> Float64[np.ndarray, " n"]:
    """The number under this key; NaN where there is none."""
    values: list[Any] = [one.get(key) for one in objects]
    if set(map(type, values)) <= NUMBERS:
        return as_floats(values)
    return as_floats([value if type(value) in NUMBERS else math.nan for value in values])


def box_column(objects: Objects, key: str) -> Float64[np.ndarray, "n 4"]:
    """The four numbers under this key; NaN where there is anything else."""
    values: list[Any] = [one.get(key) for one in objects]
    if not are_boxes(values):
        values = [value if are_boxes([value]) else [math.nan] * 4 for value in values]
    return as_floats([*chain.from_iterable(values)]).reshape(-1, 4)


def are_boxes(values: Sequence[Any]) -> bool:
    """Whether all are lists of four numbers."""
    return (
        set(map(type, values)) <= {list}
        and set(map(len, values)) <= {4}
        and set(map(type, chain.from_iterable(values))) <= NUMBERS
    )


def as_floats(values: Sequence[float]) -> Float64[np.ndarray, " n"]:
    try:
        return np.array(values, np.float64)
    except OverflowError:  # an int beyond any float
        return np.array([float(str(value)) for value in values], np.float64)
