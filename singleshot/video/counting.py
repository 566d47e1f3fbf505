"""Count objects that cross lines, and those that are in zones.

An object is where it stands: at the middle of its box's lower side (or its centre, if so chosen).
supervision has LineZone and PolygonZone; they are not used here, because LineZone forgets on which
side an object was when it is not detected in two frames, counts what goes around the end of a line,
and waits for a number of frames where a jitter of some pixels is to be ignored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

from singleshot.video.places import Place

__all__ = ["FORGET_AFTER", "Anchor", "ObjectCounter"]

Point = Float[np.ndarray, " xy"]
Anchor = Literal["bottom", "centre"]

# Of the box's mean side: an object is on the other side of a line when it is that far from it.
MARGIN = 0.05
FORGET_AFTER = 300  # frames


class ObjectCounter:
    """Counts at the lines and zones of one video: each frame's detections go through `update`."""

    def __init__(
        self,
        places: Sequence[Place],
        size: tuple[int, int],
        class_names: Sequence[str],
        *,
        anchor: Anchor = "bottom",
        forget_after: int = FORGET_AFTER,
    ) -> None:
        """Begin at zero.

        Args:
            places: lines and zones; see `parse_places`.
            size: (height, width) of the frames.
            class_names: by label.
            anchor: the point of a box that counts: the middle of its lower side, or its centre.
            forget_after: frames without an object after which it is a new one: no fewer than its
                tracker keeps its identity.

        Raises:
            SingleshotError: a place is smaller than 2 pixels.
        """
        self.places = tuple(place.in_pixels(size) for place in places)
        self._class_names = tuple(class_names)
        self._anchor, self._forget_after = anchor, forget_after
        self._last_seen: dict[int, int] = {}  # frame in which each identity was detected last
        self._frame = 0
        self._counts: dict[str, LineCount | ZoneCount] = {
            place.name: LineCount(place) if place.kind == "line" else ZoneCount(place)
            for place in self.places
        }

    def update(
        self,
        boxes: Float[Tensor, "n 4"],
        tracks: Int[Tensor, " n"] | None,
        labels: Int[Tensor, " n"],
    ) -> None:
        """Count the detections of the next frame.

        Args:
            boxes: (x1, y1, x2, y2) in pixels.
            tracks: the identity of each, as `ByteTrack.update` returns it; -1 without one. Without
                any, None, only what is in zones now is counted.
            labels: the class of each.
        """
        corners = boxes.detach().cpu().double().numpy()
        objects = Counted(
            anchors(corners, self._anchor),
            MARGIN * (corners[:, 2:] - corners[:, :2]).mean(axis=1),
            [-1] * len(labels) if tracks is None else tracks.tolist(),
            [self._class_names[label] for label in labels.tolist()],
        )
        for count in self._counts.values():
            count.update(objects)
        self._forget_others(objects.identities)

    @property
    def num_remembered(self) -> int:
        """Identities whose last place is known."""
        return len(self._last_seen)

    def _forget_others(self, identities: Sequence[int]) -> None:
        """Forget identities that were not detected for long: they do not come back."""
        self._frame += 1
        self._last_seen |= dict.fromkeys(identities, self._frame)
        oldest = self._frame - self._forget_after
        for identity in [one for one, frame in self._last_seen.items() if frame < oldest]:
            del self._last_seen[identity]
            for count in self._counts.values():
                count.forget(identity)

    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return the counts of each place, by class name.

        Of a line `in` and `out`: to the left and to the right of who goes from its first point to
        its second. Of a zone `now`, and `entered`: identities that have been in it, each once.
        """
        return {name: count.counts() for name, count in self._counts.items()}


class Counted(NamedTuple):
    """Objects of one frame."""

    points: Float[np.ndarray, "n 2"]  # where each stands, in pixels
    margins: Float[np.ndarray, " n"]  # pixels that it may be off
    identities: list[int]
    names: list[str]  # of classes


def anchors(boxes: Float[np.ndarray, "n 4"], anchor: Anchor) -> Float[np.ndarray, "n 2"]:
    """Compute the point (x, y) where each object is.

    The lower side is the middle of a box's last row of pixels: so is an object that the image cuts
    off within a zone that ends there.
    """
    x1, y1, x2, y2 = boxes.T
    return np.stack([(x1 + x2) / 2, y2 - 0.5 if anchor == "bottom" else (y1 + y2) / 2], axis=1)


class LineCount:
    """Crossings of one line."""

    def __init__(self, line: Place) -> None:
        self._start, self._end = (np.array(point, dtype=np.float64) for point in line.points)
        self._in: Counter[str] = Counter()
        self._out: Counter[str] = Counter()
        # Side (left) and point where each identity was last, but for points that are too near.
        self._known: dict[int, tuple[bool, Point]] = {}

    def update(self, objects: Counted) -> None:
        """Count the objects whose way from where they were last crosses the line."""
        distances = self._distances(objects.points).tolist()
        for point, distance, margin, identity, name in zip(
            objects.points, distances, *objects[1:], strict=True
        ):
            if identity < 0:
                continue
            is_left = distance > 0
            was_left, before = self._known.get(identity, (is_left, point))
            if is_left != was_left:
                if abs(distance) < margin:
                    continue
                if self._is_crossed(before, point):
                    (self._in if is_left else self._out)[name] += 1
            self._known[identity] = is_left, point

    def forget(self, identity: int) -> None:
        """Forget where an object was."""
        self._known.pop(identity, None)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return what crossed to the left and to the right, by class name."""
        return {"in": dict(self._in), "out": dict(self._out)}

    def _distances(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
        """Compute the distance of points to the left of the endless line; negative to its right."""
        x, y = (self._end - self._start) / np.linalg.norm(self._end - self._start)
        across, down = (points - self._start).T
        # y runs down: left of one who goes to the right is up.
        distances: np.ndarray = across * y - down * x
        return distances

    def _is_crossed(self, before: Point, after: Point) -> bool:
        """Check whether the way between points on both sides crosses the line between its ends."""
        here, there = self._distances(np.stack([before, after]))
        crossing = before + (after - before) * here / (here - there)
        line = self._end - self._start
        return bool(0 <= (crossing - self._start) @ line <= line @ line)


class ZoneCount:
    """Objects within one polygon."""

    def __init__(self, zone: Place) -> None:
        self._polygon = np.array(zone.points, dtype=np.float64)
        self._now: Counter[str] = Counter()
        self._entered: Counter[str] = Counter()
        self._known: set[int] = set()

    def update(self, objects: Counted) -> None:
        """Count the objects within, and the identities that are within for the first time."""
        within = points_within(objects.points, self._polygon).tolist()
        inside = [
            (identity, name)
            for identity, name, one in zip(objects.identities, objects.names, within, strict=True)
            if one
        ]
        self._now = Counter(name for _, name in inside)
        new = {identity: name for identity, name in inside if identity not in self._known}
        new.pop(-1, None)
        self._entered.update(new.values())
        self._known |= set(new)

    def forget(self, identity: int) -> None:
        """Forget that an object was within."""
        self._known.discard(identity)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return what is within now, and what has been, by class name."""
        return {"now": dict(self._now), "entered": dict(self._entered)}


def points_within(
    points: Float[np.ndarray, "n 2"], polygon: Float[np.ndarray, "corners 2"]
) -> Bool[np.ndarray, " n"]:
    """Mark the points within a polygon: a ray from one crosses its edges an odd number of times."""
    (x, y), (x1, y1) = points.T[..., None], polygon.T
    x2, y2 = np.roll(polygon, -1, axis=0).T
    spans = (y1 > y) != (y2 > y)
    # Edges along the ray span nothing: what they would be divided by, 0, is not used.
    heights = np.where(y1 == y2, 1, y2 - y1)
    to_the_right = x < x1 + (y - y1) * (x2 - x1) / heights
    within: np.ndarray = (spans & to_the_right).sum(axis=1) % 2 == 1
    return within
