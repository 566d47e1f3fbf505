"""The peer's part of `benchmarks.tiles`, in its own environment: merge detections by SAHI."""

import json
import sys
from pathlib import Path

from sahi.postprocess.combine import GreedyNMMPostprocess, NMSPostprocess
from sahi.prediction import ObjectPrediction

# The first is what `get_sliced_prediction` does by default.
RULES = {
    "GREEDYNMM (IoS 0.5)": GreedyNMMPostprocess(0.5, "IOS", class_agnostic=False),
    "NMS (IoU 0.45)": NMSPostprocess(0.45, "IOU", class_agnostic=False),
}


def main() -> None:
    given = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(
        json.dumps({name: [merge(rule, image) for image in given] for name, rule in RULES.items()})
    )


def merge(rule, image):
    predictions = [
        ObjectPrediction(bbox=box, category_id=label, category_name=str(label), score=score)
        for box, score, label in zip(*image, strict=True)
    ]
    merged = rule(predictions)
    merged.sort(key=lambda one: -one.score.value)
    return [
        [list(one.bbox.to_xyxy()) for one in merged],
        [one.score.value for one in merged],
        [one.category.id for one in merged],
    ]


main()
