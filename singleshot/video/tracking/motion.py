"""Predict boxes of the next frame by a Kalman filter of constant velocity.

It is that of DeepSORT (Wojke et al. 2017, §2.1, and its `kalman_filter.py`), which ByteTrack uses:
the state is a box's centre, aspect ratio and height with a velocity each, and its noise is in
proportion to the height. All noise is diagonal, so that the filter of eight numbers falls apart
into four of two, a value and its velocity: a few arrays instead of matrices for each track.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float

__all__ = ["Motion"]

Rows = Float[np.ndarray, "n 4"]

# Standard deviations as shares of the box's height, but for the aspect ratio, which has none.
POSITION, VELOCITY = 1 / 20, 1 / 160
ASPECT, ASPECT_VELOCITY = 1e-2, 1e-5
MEASURED_ASPECT = 1e-1
SMALLEST = 1.0  # pixels: below it, noise does not shrink with the height


@dataclass(frozen=True, slots=True)
class Motion:
    """States of n boxes; columns are centre x, centre y, aspect ratio (width / height), height."""

    values: Rows
    velocities: Rows  # per frame
    value_variance: Rows
    covariance: Rows  # of a value with its velocity
    velocity_variance: Rows

    @classmethod
    def start(cls, boxes: Float[np.ndarray, "n 4"]) -> Motion:
        """Begin at boxes (x1, y1, x2, y2) that do not move."""
        values = to_values(boxes)
        return cls(
            values,
            np.zeros_like(values),
            _squared(values, 2 * POSITION, ASPECT),
            np.zeros_like(values),
            _squared(values, 10 * VELOCITY, ASPECT_VELOCITY),
        )

    @classmethod
    def join(cls, parts: Sequence[Motion]) -> Motion:
        """Join the states of several groups of boxes, in their order."""
        return cls(
            *(np.concatenate([getattr(one, part.name) for one in parts]) for part in fields(cls))
        )

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, keep: np.ndarray) -> Motion:
        return Motion(*(getattr(self, part.name)[keep] for part in fields(self)))

    @property
    def boxes(self) -> Float[np.ndarray, "n 4"]:
        """Boxes (x1, y1, x2, y2)."""
        centres, heights = self.values[:, :2], self.values[:, 3:]
        halves = np.concatenate([self.values[:, 2:3] * heights, heights], axis=1) / 2
        return np.concatenate([centres - halves, centres + halves], axis=1)

    def predict(self) -> Motion:
        """Move every box on by its velocity, for one frame; uncertainty grows."""
        noise = _squared(self.values, POSITION, ASPECT)
        return Motion(
            self.values + self.velocities,
            self.velocities,
            self.value_variance + 2 * self.covariance + self.velocity_variance + noise,
            self.covariance + self.velocity_variance,
            self.velocity_variance + _squared(self.values, VELOCITY, ASPECT_VELOCITY),
        )

    def with_constant_height(self, chosen: np.ndarray) -> Motion:
        """Stop the growth of chosen boxes: lost ones would grow or shrink without bound."""
        velocities = self.velocities.copy()
        velocities[chosen, 3] = 0
        return Motion(
            self.values, velocities, self.value_variance, self.covariance, self.velocity_variance
        )

    def update(self, boxes: Float[np.ndarray, "n 4"]) -> Motion:
        """Correct the states by the boxes (x1, y1, x2, y2) that were detected."""
        surprise = to_values(boxes) - self.values
        total = self.value_variance + _squared(self.values, POSITION, MEASURED_ASPECT)
        gain, velocity_gain = self.value_variance / total, self.covariance / total
        return Motion(
            self.values + gain * surprise,
            self.velocities + velocity_gain * surprise,
            self.value_variance - gain * self.value_variance,
            self.covariance - gain * self.covariance,
            self.velocity_variance - velocity_gain * self.covariance,
        )


def to_values(boxes: Float[np.ndarray, "n 4"]) -> Rows:
    """Convert (x1, y1, x2, y2) to centre x, centre y, aspect ratio and height."""
    sides = boxes[:, 2:] - boxes[:, :2]
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.concatenate([centres, sides[:, :1] / sides[:, 1:], sides[:, 1:]], axis=1)


def _squared(values: Rows, share: float, of_aspect: float) -> Rows:
    """Compute variances from standard deviations: a share of the height, one for the aspect."""
    deviations = np.repeat(share * np.maximum(values[:, 3:], SMALLEST), 4, axis=1)
    deviations[:, 2] = of_aspect
    return deviations**2
