"""Tracking on made sequences: ours and `ByteTrackTracker` of the package trackers.

    python -m benchmarks.tracking PYTHON

PYTHON is the interpreter of an environment with `pip install trackers`, which needs opencv-python.
Both get the same detections of the same objects; `trackers.eval`, which equals TrackEval, evaluates
both by MOTA, IDF1 and identity switches (IDSW).
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from singleshot.structures import Detections
from singleshot.video.tracking import ByteTrack

FRAMES = 300
SIZE = 1280.0, 720.0
SEEDS = range(5)
HIGH_SCORE = 0.6
PEER = Path(__file__).with_name("tracking_peer.py")


class Sequence(NamedTuple):
    """Objects that move through an image; boxes are x1, y1, x2, y2."""

    boxes: np.ndarray  # (frames, objects, 4)
    noise: float  # pixels by which detections are off
    missed: float  # share of objects that are not detected
    false: float  # false positives in a frame
    every: int = 1  # frames from one detection to the next


def lanes(random: np.random.Generator) -> np.ndarray:
    """Objects that pass each other side by side, and never overlap."""
    start = np.stack([random.uniform(0, SIZE[0], 9), 75.0 * np.arange(9)], axis=1)
    speed = np.stack(
        [random.uniform(1, 5, 9) * np.where(np.arange(9) % 2, 1, -1), 0 * start[:, 0]], 1
    )
    corners = bounced(start + speed * np.arange(FRAMES)[:, None, None])
    return with_sizes(corners, np.full((9, 2), (30.0, 60.0)))


def crossings(random: np.random.Generator, number: int = 12) -> np.ndarray:
    """Objects of different sizes that cross in all directions and hide each other."""
    start = random.uniform(0, 1, (number, 2)) * SIZE
    speed = random.normal(0, 3, (number, 2))
    height = random.uniform(50, 140, (number, 1))
    corners = bounced(start + speed * np.arange(FRAMES)[:, None, None])
    return with_sizes(corners, np.concatenate([0.4 * height, height], axis=1))


def crowd(random: np.random.Generator) -> np.ndarray:
    """Many objects whose velocity changes all the time."""
    number = 40
    drift = random.normal(0, 2, (number, 2)) + random.normal(0, 0.4, (FRAMES, number, 2)).cumsum(0)
    corners = bounced(random.uniform(0, 1, (number, 2)) * SIZE + drift.cumsum(0))
    height = random.uniform(50, 140, (number, 1))
    return with_sizes(corners, np.concatenate([0.4 * height, height], axis=1))


def bounced(points: np.ndarray) -> np.ndarray:
    """Send back what leaves the image."""
    size = np.array(SIZE) - (60, 140)
    return size - np.abs(np.mod(points, 2 * size) - size)


def with_sizes(corners: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    return np.concatenate([corners, corners + sizes], axis=2)


SEQUENCES: dict[
    str, tuple[Callable[[np.random.Generator], np.ndarray], float, float, float, int]
] = {
    "side by side": (lanes, 1, 0, 0, 1),
    "side by side, every 4th frame": (lanes, 1, 0, 0, 4),
    "crossings": (crossings, 2, 0.02, 0.2, 1),
    "crossings, every 3rd frame": (crossings, 2, 0.02, 0.2, 3),
    "crowd of 40": (crowd, 2, 0.05, 1, 1),
    "crowd of 40, every 2nd frame": (crowd, 2, 0.05, 1, 2),
}


def detections_of(sequence: Sequence, random: np.random.Generator) -> list[np.ndarray]:
    """Detect (x1, y1, x2, y2, score): scores fall as objects are hidden by those nearer."""
    frames = []
    for boxes in sequence.boxes:
        hidden = hidden_shares(boxes)
        scores = np.clip(0.9 - 0.8 * hidden + random.normal(0, 0.05, len(boxes)), 0, 1)
        seen = (random.uniform(0, 1, len(boxes)) >= sequence.missed) & (scores > 0.15)
        found = boxes[seen] + random.normal(0, sequence.noise, (int(seen.sum()), 4))
        number = random.poisson(sequence.false)
        corners = random.uniform(0, 1, (number, 2)) * SIZE
        false = np.concatenate([corners, corners + np.array([35, 80])], axis=1)
        scores = np.concatenate([scores[seen], random.uniform(0.1, 0.75, number)])
        frames.append(np.concatenate([np.concatenate([found, false]), scores[:, None]], axis=1))
    return frames


def hidden_shares(boxes: np.ndarray) -> np.ndarray:
    """Share of each object that is hidden by the nearest one in front: whose feet are lower."""
    top_left = np.maximum(boxes[:, None, :2], boxes[:, :2])
    bottom_right = np.minimum(boxes[:, None, 2:], boxes[:, 2:])
    shared = (bottom_right - top_left).clip(0).prod(-1)
    shared *= boxes[:, None, 3] < boxes[:, 3]
    return shared.max(axis=1, initial=0) / (boxes[:, 2:] - boxes[:, :2]).prod(-1)


def rows_of(frames: list[np.ndarray], identities: list[np.ndarray]) -> str:
    """Write the text files of MOTChallenge: frame, identity, x, y, width, height, score, class."""
    return "".join(
        f"{frame},{identity},{x1:.3f},{y1:.3f},{x2 - x1:.3f},{y2 - y1:.3f},{score:.4f},1,1\n"
        for frame, (rows, numbers) in enumerate(zip(frames, identities, strict=True), start=1)
        for (x1, y1, x2, y2, score), identity in zip(rows, numbers, strict=True)
    )


def track(frames: list[np.ndarray], frame_rate: float) -> list[np.ndarray]:
    tracker, identities = ByteTrack(HIGH_SCORE, frame_rate=frame_rate), []
    for rows in frames:
        values = torch.from_numpy(rows).float()
        labels = torch.zeros(len(rows), dtype=torch.int64)
        found = tracker.update(Detections(values[:, :4], values[:, 4], labels))
        identities.append(found.numpy())
    return identities


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(f"give the Python that has the package trackers\n\n{__doc__}")
    with tempfile.TemporaryDirectory() as folder:
        for name, (make, noise, missed, false, every) in SEQUENCES.items():
            for seed in SEEDS:
                random = np.random.default_rng(seed)
                sequence = Sequence(make(random)[::every], noise, missed, false)
                found = detections_of(sequence, random)
                identities = track(found, 30 / every)
                base = Path(folder) / f"{name}+{seed}+{round(30 / every)}"
                numbers = np.arange(1, 1 + sequence.boxes.shape[1])
                truth = [np.insert(boxes, 4, 1, axis=1) for boxes in sequence.boxes]
                base.with_suffix(".truth").write_text(rows_of(truth, [numbers] * len(truth)))
                base.with_suffix(".found").write_text(
                    rows_of(found, [np.full(len(rows), -1) for rows in found])
                )
                kept = [numbers >= 0 for numbers in identities]
                ours = rows_of(
                    [rows[mask] for rows, mask in zip(found, kept, strict=True)],
                    [one[mask] for one, mask in zip(identities, kept, strict=True)],
                )
                base.with_suffix(".ours").write_text(ours)
        subprocess.run([sys.argv[1], PEER, folder, str(HIGH_SCORE)], check=True)


if __name__ == "__main__":
    main()
