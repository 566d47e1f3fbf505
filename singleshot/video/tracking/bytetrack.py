"""ByteTrack (Zhang et al. 2022, algorithm 1): also detections with low scores continue tracks.

An object that is half hidden is still detected, with a low score. So tracks are first continued by
detections with high scores, then by those with low ones; only high ones begin tracks. A track
without a detection is kept for a second, in which it can be continued where it must be by then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from singleshot.errors import SingleshotError
from singleshot.structures import Detections
from singleshot.video.tracking.association import assign, overlap
from singleshot.video.tracking.tracks import NO_TRACK, Tracks

__all__ = ["LOW_SCORE", "ByteTrack"]

# Numbers of the paper (§4.1) and of the authors' `byte_tracker.py`.
LOW_SCORE = 0.1  # lower ones are background
NEW_TRACK_MARGIN = 0.1  # what a detection needs above the high score to begin a track
FIRST_IOU, SECOND_IOU, UNCONFIRMED_IOU = 0.2, 0.5, 0.3
STEP_RATE = 30.0  # frames per second for which the noise of `motion` was chosen
DUPLICATE_IOU, DUPLICATE_FRAMES = 0.85, 5


class ByteTrack:
    """Tracks of one video: the detections of each frame go through `update`, in order.

    Tracks are of one class: an object whose label changes begins another track.
    """

    def __init__(
        self,
        high_score: float | Sequence[float] = 0.6,
        *,
        frame_rate: float = 30.0,
        keep_lost: float = 1.0,
    ) -> None:
        """Begin without tracks.

        Args:
            high_score: lowest score of detections that continue any track, one for all classes or
                one for each label. Those below, down to 0.1, continue only tracks of the frame
                before, where IoU is 0.5 or more; those at least 0.1 above begin tracks.
            frame_rate: frames per second.
            keep_lost: seconds for which a track without detections can be continued.

        Raises:
            SingleshotError: a number is out of bounds.
        """
        if not (frame_rate > 0 and math.isfinite(frame_rate)):
            raise SingleshotError(f"frame_rate: {frame_rate}: expected more than 0 per second")
        if not (keep_lost >= 0 and math.isfinite(keep_lost)):
            raise SingleshotError(f"keep_lost: {keep_lost}: expected 0 seconds or more")
        self._high_scores = np.atleast_1d(np.asarray(high_score, dtype=np.float64))
        if not ((self._high_scores >= 0) & (self._high_scores <= 1)).all():
            raise SingleshotError(f"high_score: {high_score}: expected scores of 0 to 1")
        self._steps_a_frame = max(1, round(STEP_RATE / frame_rate))
        self._num_kept = max(round(frame_rate * keep_lost), 0) * self._steps_a_frame
        self._tracks = Tracks.start(np.zeros((0, 4)), np.zeros(0, dtype=np.int64))
        self._num_identities = 0
        self._in_first_frame = True

    @property
    def num_tracks(self) -> int:
        """Tracks that the next frame can continue, lost ones included."""
        return len(self._tracks)

    def update(self, detections: Detections, *, num_frames: int = 1) -> Int[Tensor, " n"]:
        """Continue the tracks by the detections of the next frame.

        Args:
            detections: all of the frame with scores of 0.1 (`LOW_SCORE`) or more.
            num_frames: frames since the last call, more than 1 where some were left out.

        Returns:
            The identity of each detection, from 1; -1 without one. A track has an identity from
            its second detection on, for what appears once is often a false positive; in the first
            frame of a video, from its first.
        """
        if num_frames < 1:
            raise SingleshotError(f"num_frames: {num_frames}: expected 1 or more")
        boxes = detections.boxes.detach().cpu().double().numpy()
        labels = detections.labels.cpu().numpy().astype(np.int64)
        high, low, new = self._rank(detections, boxes, labels)
        # A longer gap ends all tracks, however far they are predicted.
        num_steps = min(num_frames * self._steps_a_frame, self._num_kept + 1)
        tracks = self._tracks.predict(num_steps)
        track_of = continued_tracks(tracks, num_steps, boxes, labels, high=high, low=low)
        matched = np.flatnonzero(track_of != NO_TRACK)
        tracks = self._confirm(tracks.update(track_of[matched], boxes[matched]), track_of[matched])
        begun = np.flatnonzero(new & (track_of == NO_TRACK))
        track_of[begun] = len(tracks) + np.arange(len(begun))
        tracks = tracks.join(Tracks.start(boxes[begun], labels[begun]))
        if self._in_first_frame:
            tracks = self._confirm(tracks, track_of[begun])
        self._in_first_frame = False
        # NO_TRACK, which is -1, indexes the last.
        identities = np.append(tracks.identities, NO_TRACK)[track_of]
        self._tracks = without_duplicates(self._without_lost(tracks))
        return torch.from_numpy(identities)

    def _rank(
        self,
        detections: Detections,
        boxes: Float[np.ndarray, "n 4"],
        labels: Int[np.ndarray, " n"],
    ) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
        """Mark detections with high scores, with low ones, and those that may begin a track."""
        scores = detections.scores.detach().cpu().double().numpy()
        usable = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        each = len(self._high_scores) > 1
        highest = self._high_scores[labels if each else np.zeros_like(labels)]
        high = usable & (scores >= highest)
        low = usable & (scores >= LOW_SCORE) & ~high
        # Halfway to 1 where the margin would leave nothing that begins a track.
        beginning = np.minimum(highest + NEW_TRACK_MARGIN, (1 + highest) / 2)
        return high, low, high & (scores >= beginning)

    def _confirm(self, tracks: Tracks, chosen: Int[np.ndarray, " k"]) -> Tracks:
        """Give identities to those of the chosen tracks that have none."""
        named = tracks.identify(chosen, self._num_identities + 1)
        self._num_identities = max(self._num_identities, int(named.identities.max(initial=0)))
        return named

    def _without_lost(self, tracks: Tracks) -> Tracks:
        """Drop tracks that are lost for too long, and those detected in a single frame only."""
        kept = tracks.confirmed & (tracks.num_missed <= self._num_kept)
        return tracks[kept | (tracks.num_missed == 0)]


def continued_tracks(
    tracks: Tracks,
    num_steps: int,
    boxes: Float[np.ndarray, "n 4"],
    labels: Int[np.ndarray, " n"],
    *,
    high: Bool[np.ndarray, " n"],
    low: Bool[np.ndarray, " n"],
) -> Int[np.ndarray, " n"]:
    """Find the index of the track that each detection continues; NO_TRACK where it is none.

    Args:
        tracks: predicted for this frame.
        num_steps: steps that they were predicted for.
        boxes: of the detections.
        labels: of the detections.
        high: detections with high scores.
        low: detections with low scores.
    """
    track_of, free = np.full(len(labels), NO_TRACK), np.ones(len(tracks), dtype=bool)
    predicted, confirmed = tracks.motion.boxes, tracks.confirmed
    # The authors' code gives low scores no lost tracks, where the paper's algorithm does.
    just_seen = confirmed & (tracks.num_missed == num_steps)
    for among_tracks, among_detections, lowest_iou in (
        (confirmed, high, FIRST_IOU),
        (just_seen, low, SECOND_IOU),
        (~confirmed, high, UNCONFIRMED_IOU),
    ):
        rows = np.flatnonzero(among_tracks & free)
        columns = np.flatnonzero(among_detections & (track_of == NO_TRACK))
        iou = overlap(predicted[rows], tracks.labels[rows], boxes[columns], labels[columns])
        row, column = assign(iou, lowest_iou)
        track_of[columns[column]] = rows[row]
        free[rows[row]] = False
    return track_of


def without_duplicates(tracks: Tracks) -> Tracks:
    """Of a lost track and a detected one that move together, keep the one that lived longer.

    Two detections of one object begin them. The authors' `remove_duplicate_stracks` looks at the
    boxes of one frame only: an object that passes behind another would lose its track.
    """
    lost, seen = (np.flatnonzero(mask) for mask in (tracks.num_missed > 0, tracks.num_missed == 0))
    labels, lives = tracks.labels, tracks.ages - tracks.num_missed
    now, later = tracks.motion.boxes, tracks.predict(DUPLICATE_FRAMES).motion.boxes
    ious = [overlap(boxes[lost], labels[lost], boxes[seen], labels[seen]) for boxes in (now, later)]
    same = np.minimum(*ious) > DUPLICATE_IOU
    of_lost = lives[lost][:, None] > lives[seen]
    keep = np.ones(len(tracks), dtype=bool)
    keep[seen[(same & of_lost).any(axis=0)]] = False
    keep[lost[(same & ~of_lost).any(axis=1)]] = False
    return tracks[keep]
