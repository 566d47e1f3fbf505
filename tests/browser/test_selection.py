"""`selection.js` against the same in NumPy."""

from typing import Any

import numpy as np
import pytest

from singleshot.runtimes.standalone.decoding import candidates
from singleshot.runtimes.standalone.selection import select
from tests.browser.node import run_in_node

SELECT = """
import { select } from "${sources}/selection.js";
result = document.images.map(({ boxes, scores, sides }) =>
  select(Float32Array.from(boxes), Float32Array.from(scores), document.manifest, sides));
"""
NUM_PRIORS, NUM_CLASSES = 300, 3


def make_manifest(**rules: Any) -> dict[str, Any]:
    """Describe a model of the contract `decoded`."""
    return {
        "contract": "decoded",
        "class_names": ["a", "b", "c"],
        "outputs": [
            {"name": "boxes", "kind": "boxes", "shape": [1, NUM_PRIORS, 4], "first_column": 0},
            {
                "name": "scores",
                "kind": "scores",
                "shape": [1, NUM_PRIORS, NUM_CLASSES],
                "first_column": 0,
            },
        ],
        "postprocessing": {
            "score_threshold": 0.05,
            "iou_threshold": 0.45,
            "top_k": 80,
            "keep": 50,
            "clip_before_nms": True,
            "nms": "hard",
            "soft_sigma": 0.5,
            **rules,
        },
    }


def make_outputs(seed: int) -> dict[str, np.ndarray]:
    """Make boxes in clusters, with equal scores among them."""
    random = np.random.default_rng(seed)
    centres = random.uniform(-0.05, 1.05, (12, 2))[random.integers(0, 12, NUM_PRIORS)]
    centres = centres + random.normal(0, 0.02, (NUM_PRIORS, 2))
    sides = random.uniform(0.05, 0.3, (NUM_PRIORS, 2))
    boxes = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)
    scores = np.round(random.uniform(0, 1, (NUM_PRIORS, NUM_CLASSES)) ** 2, 2)
    return {
        "boxes": boxes[None].astype(np.float32),
        "scores": scores[None].astype(np.float32),
    }


def detect_in_both(
    outputs: dict[str, np.ndarray], manifest: dict[str, Any]
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Return the detections of JavaScript, and of NumPy as rows x1, y1, x2, y2, score, label."""
    sides = [640, 360]
    # JSON has no infinity; 1e300 becomes one in single precision.
    image = {
        name: np.nan_to_num(values.astype(np.float64), posinf=1e300).ravel().tolist()
        for name, values in outputs.items()
    }
    document = {"manifest": manifest, "images": [{**image, "sides": sides}]}
    [found] = run_in_node(SELECT, document)
    expected = select(
        candidates(outputs, manifest, 0, np.zeros((NUM_PRIORS, 4))),
        manifest["postprocessing"],
        sides,
    )
    scales = np.array([*sides, *sides], np.float32)
    columns = [expected.boxes * scales, expected.scores[:, None], expected.labels[:, None]]
    return found, np.concatenate(columns, axis=1)


@pytest.mark.parametrize("nms", ["hard", "soft", "weighted", "distance"])
@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("keep", [5, 50, 1000])
def test_detections_are_those_of_numpy(nms: str, clip: bool, keep: int) -> None:
    outputs = make_outputs(seed=keep)
    manifest = make_manifest(nms=nms, clip_before_nms=clip, keep=keep)
    found, expected = detect_in_both(outputs, manifest)
    rows = np.array([[*one["box"], one["score"], one["label"]] for one in found])
    assert 0 < len(rows) <= keep
    np.testing.assert_allclose(rows, expected, rtol=1e-6, atol=1e-4)


def test_prior_is_the_one_with_the_box() -> None:
    outputs = make_outputs(seed=1)
    found, _ = detect_in_both(outputs, make_manifest())
    for one in found:
        assert outputs["scores"][0, one["prior"], one["label"]] == np.float32(one["score"])
        box = outputs["boxes"][0, one["prior"]].clip(0, 1) * [640, 360, 640, 360]
        np.testing.assert_allclose(one["box"], box, rtol=1e-5)


def test_scores_and_boxes_that_are_no_numbers_are_left_out() -> None:
    outputs = make_outputs(seed=2)
    outputs["scores"][0, 7] = 0.999
    outputs["boxes"][0, 7] = np.inf
    found, expected = detect_in_both(outputs, make_manifest(clip_before_nms=False))
    assert len(found) == len(expected)
    assert 7 not in {one["prior"] for one in found}
