"""The detector as one module, in Node with a runtime whose outputs are given."""

import base64
import json

import numpy as np
import pytest

from singleshot.browser.local import PageModel, detector_script, local_source
from tests.browser.node import run_in_node

DETECT = """
const text = "data:text/javascript;base64," + document.script;
const { loadDetector } = await import(text);
const seen = [];
const ort = {
  Tensor: class { constructor(type, data, dims) { Object.assign(this, { type, data, dims }); } },
  InferenceSession: { create: async () => ({
    run: async ({ images }) => {
      seen.push(images.type, images.dims, Array.from(images.data.slice(0, 3)));
      return {
        boxes: { data: Float32Array.from(document.boxes) },
        scores: { data: Float32Array.from(document.scores) },
      };
    },
  }) },
};
try {
  const { manifest } = document;
  const detector = await loadDetector({ ort, model: new ArrayBuffer(0), manifest });
  const image = { data: new Uint8ClampedArray(2 * 4 * 4).fill(9), width: 4, height: 2 };
  const answer = await detector.detect(image, { scoreThreshold: 0.3 });
  let refused;
  await detector.detect({ ...image, width: 5 }).catch((error) => { refused = error.message; });
  result = { answer, seen, refused, about: detector.about };
} catch (error) {
  result = { error: error.message };
}
"""
# Two levels: 1 x 2 cells of one prior, then one cell of two priors.
PRIORS = [[0.25, 0.5, 0.5, 1], [0.75, 0.5, 0.5, 1], [0.5, 0.5, 1, 1], [0.5, 0.5, 0.7, 0.7]]


def document(**changes):
    """Describe a model of four priors, and what it outputs."""
    boxes = [[0, 0, 0.5, 1], [0.5, 0, 1, 1], [0, 0, 1, 1], [0.1, 0.1, 0.9, 0.9]]
    scores = [[0.1, 0.2], [0.9, 0.0], [0.0, 0.4], [0.0, 0.05]]
    return {
        "script": base64.b64encode(detector_script().encode()).decode(),
        "boxes": np.array(boxes).ravel().tolist(),
        "scores": np.array(scores).ravel().tolist(),
        "manifest": {
            "manifest_version": 1,
            "contract": "decoded",
            "precision": "float32",
            "class_names": ["cat", "dog"],
            "detector": {"kind": "ssd", "backbone": "tiny"},
            "operating_point": {"rule": "best_f1", "score_thresholds": {"cat": 0.4, "dog": None}},
            "input": {
                "name": "images",
                "dtype": "uint8",
                "layout": "NHWC",
                "size": [2, 4],
                "resize": "antialias",
                "mean": [0, 0, 0],
                "std": [1, 1, 1],
            },
            "outputs": [
                {"name": "boxes", "kind": "boxes", "shape": [1, 4, 4], "first_column": 0},
                {"name": "scores", "kind": "scores", "shape": [1, 4, 2], "first_column": 0},
            ],
            "decoding": {
                "levels": [
                    {"grid": [1, 2], "priors_per_cell": 1},
                    {"grid": [1, 1], "priors_per_cell": 2},
                ],
                "priors_float32_base64": base64.b64encode(
                    np.array(PRIORS, "<f4").tobytes()
                ).decode(),
            },
            "postprocessing": {
                "score_threshold": 0.01,
                "iou_threshold": 0.45,
                "top_k": 10,
                "keep": 10,
                "clip_before_nms": True,
                "nms": "hard",
                "soft_sigma": 0.5,
            },
            **changes,
        },
    }


def test_detections_have_their_prior_and_level():
    found = run_in_node(DETECT, document())
    assert found["seen"] == ["uint8", [1, 2, 4, 3], [9, 9, 9]]
    assert found["answer"]["detections"] == [
        {"box": [2, 0, 4, 2], "label": "cat", "score": pytest.approx(0.9), "prior": 1, "level": 0},
        {"box": [0, 0, 4, 2], "label": "dog", "score": pytest.approx(0.4), "prior": 2, "level": 1},
    ]
    assert set(found["answer"]["milliseconds"]) == {"preprocess", "network", "postprocess"}
    assert "an image of 5 x 2 with 32 numbers; expected RGBA" in found["refused"]


def test_the_detector_is_described():
    about = run_in_node(DETECT, document())["about"]
    assert about["name"] == "ssd"
    assert about["operatingPoints"] == {"cat": {"best_f1": 0.4}}
    assert [one["numPriors"] for one in about["levels"]] == [2, 2]
    assert [one["stride"] for one in about["levels"]] == [[2, 2], [2, 4]]


def test_a_model_of_another_contract_is_refused():
    found = run_in_node(DETECT, document(contract="raw"))
    assert "contract raw; expected version 1, contract decoded" in found["error"]


def test_text_that_would_end_its_element_is_not_put_into_the_page():
    names = {"class_names": ["</script>"], "detector": {"checkpoint": "/home/ann/runs"}}
    model = PageModel("cells", b"onnx", names, "export {};", b"wasm", "MIT")
    texts = local_source(model).attachments
    assert "</script>" not in texts["manifest"]
    assert json.loads(texts["manifest"])["class_names"] == ["</script>"]
    assert "/home/ann" not in texts["manifest"]
    assert set(texts) == {"licence", "manifest", "detector", "worker", "runtime", "wasm", "model"}
