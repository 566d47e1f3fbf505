"""The tracks of a video: objects that are followed from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from singleshot.video.tracking.motion import Motion

__all__ = ["NO_TRACK", "Tracks"]

NO_TRACK = -1


@dataclass(frozen=True, slots=True)
class Tracks:
    """Objects that are followed, each of one class."""

    motion: Motion
    labels: Int[np.ndarray, " n"]
    identities: Int[np.ndarray, " n"]  # from 1; NO_TRACK until it is confirmed
    num_missed: Int[np.ndarray, " n"]  # frames since the last detection
    ages: Int[np.ndarray, " n"]  # frames since the first

    @classmethod
    def start(cls, boxes: Float[np.ndarray, "n 4"], labels: Int[np.ndarray, " n"]) -> Tracks:
        """Begin tracks at boxes (x1, y1, x2, y2), without identities."""
        zeros = np.zeros(len(labels), dtype=np.int64)
        return cls(Motion.start(boxes), labels, zeros + NO_TRACK, zeros, zeros)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, keep: np.ndarray) -> Tracks:
        return Tracks(*(getattr(self, part.name)[keep] for part in fields(self)))

    @property
    def confirmed(self) -> Bool[np.ndarray, " n"]:
        """Mark the tracks that have an identity."""
        confirmed: np.ndarray = self.identities != NO_TRACK
        return confirmed

    def join(self, others: Tracks) -> Tracks:
        """List these tracks, then the others."""
        names = [part.name for part in fields(self)][1:]
        arrays = [np.concatenate([getattr(self, one), getattr(others, one)]) for one in names]
        return Tracks(Motion.join([self.motion, others.motion]), *arrays)

    def predict(self, num_frames: int) -> Tracks:
        """Move the tracks on by some frames."""
        motion = self.motion.with_constant_height(self.num_missed > 0)
        for _ in range(num_frames):
            motion = motion.predict()
        missed, ages = self.num_missed + num_frames, self.ages + num_frames
        return replace(self, motion=motion, num_missed=missed, ages=ages)

    def update(self, chosen: Int[np.ndarray, " k"], boxes: Float[np.ndarray, "k 4"]) -> Tracks:
        """Correct the chosen tracks by the boxes that were detected."""
        others = np.setdiff1d(np.arange(len(self)), chosen)
        motion = Motion.join([self.motion[chosen].update(boxes), self.motion[others]])
        missed = self.num_missed.copy()
        missed[chosen] = 0
        order = np.argsort(np.concatenate([chosen, others]))
        return replace(self, motion=motion[order], num_missed=missed)

    def identify(self, chosen: Int[np.ndarray, " k"], first: int) -> Tracks:
        """Number those of the chosen tracks that have no identity, in their order from `first`."""
        unnamed = chosen[self.identities[chosen] == NO_TRACK]
        identities = self.identities.copy()
        identities[unnamed] = first + np.arange(len(unnamed))
        return replace(self, identities=identities)
