from __future__ import annotations

import json

import numpy as np
import pytest

from singleshot.errors import DataError
from singleshot.evaluation.predictions import load_predictions, write_predictions
from singleshot.metrics import Predictions

PREDICTIONS = Predictions(
    images=np.array([0, 0, 2]),
    boxes=np.array([[0, 0, 20, 20], [0.1, 0.2, 30.3, 30.7], [1 / 3, 2 / 3, 10, 10]]),
    scores=np.array([0.9, 1 / 3, np.float32(0.7)], np.float64),
    labels=np.array([1, 0, 1]),
)
ENTRY = {"image_id": 7, "category_id": 2, "bbox": [1, 2, 3, 4], "score": 0.5}


def test_saved_detections_are_loaded_in_full(dataset, tmp_path):
    write_predictions(PREDICTIONS, dataset, tmp_path / "found.json")
    loaded = load_predictions(tmp_path / "found.json", dataset).predictions
    assert loaded.images.tolist() == [0, 0, 2]
    assert loaded.labels.tolist() == [1, 0, 1]
    assert loaded.scores.tolist() == PREDICTIONS.scores.tolist()
    np.testing.assert_allclose(loaded.boxes, PREDICTIONS.boxes, rtol=1e-15)


def test_the_file_has_the_ids_of_the_data_set(dataset, tmp_path):
    write_predictions(PREDICTIONS, dataset, tmp_path / "found.json")
    first, *_ = json.loads((tmp_path / "found.json").read_text())
    assert first == {
        "image_id": 7,
        "file_name": "0",
        "category_id": 9,
        "category_name": "dog",
        "bbox": [0, 0, 20, 20],
        "score": 0.9,
    }


def test_no_detections_are_an_empty_list(dataset, tmp_path):
    write_predictions(PREDICTIONS[:0], dataset, tmp_path / "found.json")
    assert json.loads((tmp_path / "found.json").read_text()) == []
    assert len(load_predictions(tmp_path / "found.json", dataset).predictions) == 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[{"image_id": 7', "is no JSON, or only a part of it"),
        ("{}", "expected COCO results"),
        ("[3]", "expected COCO results"),
    ],
)
def test_a_file_that_is_no_list_of_detections(dataset, tmp_path, text, problem):
    (tmp_path / "found.json").write_text(text)
    with pytest.raises(DataError, match=problem):
        load_predictions(tmp_path / "found.json", dataset)


def test_a_missing_file_names_itself(dataset, tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.json: cannot be read: No such file"):
        load_predictions(tmp_path / "nowhere.json", dataset)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"image_id": 8}, "is about an image not in three images"),
        ({"category_id": 1}, "is of a class not in three images"),
        ({"score": float("nan")}, "needs 'score': a finite number"),
        ({"score": 1.5}, "has a score outside 0 to 1"),
        ({"score": "0.5"}, "needs 'score': a finite number"),
        ({"bbox": [1, 2, 3]}, r"needs 'bbox': 4 finite numbers up to 1e\+09"),
        ({"bbox": None}, r"needs 'bbox': 4 finite numbers up to 1e\+09"),
        ({"bbox": [1, 2, -3, 4]}, "has a box of negative size"),
    ],
)
def test_the_first_wrong_entry_is_named(dataset, tmp_path, change, problem):
    entries = [ENTRY, ENTRY | change, ENTRY | change]
    (tmp_path / "found.json").write_text(json.dumps(entries))
    with pytest.raises(DataError, match=rf"found\.json: entry 1 {problem} \(and 1 more\)"):
        load_predictions(tmp_path / "found.json", dataset)
