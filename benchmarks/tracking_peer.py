"""The peer's part of `benchmarks.tracking`, in its own environment: track, then evaluate both."""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import supervision as sv
from trackers import ByteTrackTracker
from trackers.eval import evaluate_mot_sequence


def main() -> None:
    folder, high_score = Path(sys.argv[1]), float(sys.argv[2])
    sums = defaultdict(lambda: np.zeros(6))
    for found in sorted(folder.glob("*.found"), key=lambda path: path.stat().st_mtime_ns):
        name, _, rate = found.name.removesuffix(".found").split("+")
        theirs = track(found, float(rate), high_score)
        found.with_suffix(".theirs").write_text(theirs)
        for start, suffix in ((0, ".ours"), (3, ".theirs")):
            sums[name][start : start + 3] += evaluate(found, suffix)
    number = len(list(folder.glob("*.found"))) // len(sums)
    print("| sequence | ours: MOTA | IDF1 | IDSW | trackers: MOTA | IDF1 | IDSW |")
    print("|---|---|---|---|---|---|---|")
    for name, values in sums.items():
        mota, idf1, idsw, *others = values
        cells = [f"{mota / number:.1f}", f"{idf1 / number:.1f}", f"{idsw:.0f}"]
        cells += [f"{others[0] / number:.1f}", f"{others[1] / number:.1f}", f"{others[2]:.0f}"]
        print(f"| {name} | {' | '.join(cells)} |")


def track(found: Path, rate: float, high_score: float) -> str:
    """Track with the same three thresholds; the rest is theirs."""
    tracker = ByteTrackTracker(
        frame_rate=rate,
        high_conf_det_threshold=high_score,
        track_activation_threshold=high_score + 0.1,
    )
    rows = np.loadtxt(found, delimiter=",", ndmin=2)
    lines = []
    for frame in range(1, int(rows[:, 0].max()) + 1):
        own = rows[rows[:, 0] == frame]
        boxes = np.concatenate([own[:, 2:4], own[:, 2:4] + own[:, 4:6]], axis=1)
        detections = sv.Detections(
            boxes, confidence=own[:, 6], class_id=np.zeros(len(own), dtype=int)
        )
        done = tracker.update(detections)
        for (x1, y1, x2, y2), score, identity in zip(
            done.xyxy, done.confidence, done.tracker_id, strict=True
        ):
            if identity >= 0:
                box = f"{x1:.3f},{y1:.3f},{x2 - x1:.3f},{y2 - y1:.3f}"
                lines.append(f"{frame},{identity + 1},{box},{score:.4f},1,1\n")
    return "".join(lines)


def evaluate(found: Path, suffix: str) -> tuple[float, float, float]:
    """Return MOTA and IDF1 in percent, and the number of identity switches."""
    result = evaluate_mot_sequence(
        found.with_suffix(".truth"), found.with_suffix(suffix), metrics=["CLEAR", "Identity"]
    )
    return 100 * result.CLEAR.MOTA, 100 * result.Identity.IDF1, result.CLEAR.IDSW


main()
