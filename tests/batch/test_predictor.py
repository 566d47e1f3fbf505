"""A predictor turns columns of images into columns of detections."""

# Tests singleshot/batch/predictor.py

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_ssd import CLASSES, make_run

import singleshot
from singleshot.batch import Predictor
from singleshot.errors import SingleshotError
from singleshot.metrics import Choice, OperatingPoint, Rule

pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'singleshot[batch]'")
pd = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return make_run(tmp_path_factory.mktemp("batch") / "run")


@pytest.fixture(scope="module")
def arrays() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(256, size=(h, w, 3), dtype=np.uint8) for h, w in [(48, 80), (90, 60)]]


def encode(array: np.ndarray, image_format: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, image_format)
    return file.getvalue()


def columns_of(contents: list[object]) -> dict[str, np.ndarray]:
    """The columns of a batch as Ray gives them."""
    column = np.empty(len(contents), dtype=object)
    column[:] = contents
    return {"bytes": column, "path": np.array([f"{index}.png" for index in range(len(contents))])}


def test_rows_equal_the_detections_of_the_loaded_detector(run, arrays):
    table = Predictor(run, score_threshold=0.4, device="cpu")(
        columns_of([encode(array) for array in arrays])
    )
    results = singleshot.load(run, "cpu").predict(arrays, score_threshold=0.4)
    for row, result in zip(table.to_pylist(), results, strict=True):
        assert (row["width"], row["height"]) == (result.width, result.height)
        assert row["scores"] == result.scores.tolist()
        assert row["names"] == result.names
        assert row["labels"] == result.labels.tolist()
        torch.testing.assert_close(torch.tensor(row["boxes"]).reshape(-1, 4), result.boxes)
        assert row["error"] is None
    assert len(results[0])


def test_arrays_and_files_of_images_give_the_same_rows(run, arrays):
    files = Predictor(run, score_threshold=0)(columns_of([encode(array) for array in arrays]))
    assert files.equals(Predictor(run, score_threshold=0)(columns_of(arrays)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no image", "not an image"),
        (b"", "is empty"),
        (None, "of type NoneType"),
        (np.zeros((4, 4, 3), np.float32), "expected uint8"),
    ],
)
def test_a_bad_image_becomes_a_row_with_an_error(run, arrays, content, reason):
    good = encode(arrays[0])
    rows = Predictor(run, score_threshold=0)(columns_of([good, content, good])).to_pylist()
    assert [row["error"] is None for row in rows] == [True, False, True]
    assert reason in rows[1]["error"]
    assert "1.png" in rows[1]["error"]
    assert (rows[1]["width"], rows[1]["boxes"]) == (0, [])
    assert {**rows[2], "image": "0.png"} == rows[0]


def test_a_jpeg_that_is_cut_short_is_an_error(run, arrays):
    content = encode(arrays[0], "JPEG")
    (row,) = Predictor(run).predict_rows(columns_of([content[: len(content) // 2]]))
    assert "broken" in row["error"]


def test_types_of_the_columns_do_not_depend_on_what_was_found(run, arrays):
    some = Predictor(run, score_threshold=0)(columns_of(arrays))
    none = Predictor(run, score_threshold=1)(columns_of(arrays))
    assert some.schema == none.schema
    assert some.schema.field("boxes").type == pa.list_(pa.list_(pa.float32()))


def test_only_the_path_travels_and_each_copy_loads_the_detector(run, arrays):
    predictor = Predictor(run, score_threshold=0)
    before = predictor.predict_rows(columns_of(arrays))
    content = pickle.dumps(predictor)
    assert len(content) < 1000
    assert pickle.loads(content).predict_rows(columns_of(arrays)) == before


def test_the_content_of_a_checkpoint_is_a_model(run, arrays):
    content = (run / "checkpoints/last.safetensors").read_bytes()
    by_path, by_content = Predictor(run, score_threshold=0), Predictor(content, score_threshold=0)
    assert by_content.predict_rows(columns_of(arrays)) == by_path.predict_rows(columns_of(arrays))


def test_another_threshold_or_other_weights_are_another_detector(run, arrays, tmp_path):
    names = {
        Predictor(model, score_threshold=threshold).predict_rows(columns_of(arrays))[0]["detector"]
        for model, threshold in [(run, 0.1), (run, 0.2), (make_run(tmp_path, classes="abc"), 0.1)]
    }
    assert len(names) == 3


def test_another_choice_of_thresholds_for_a_run_is_another_detector(arrays, tmp_path):
    weights = singleshot.run_weights(make_run(tmp_path))
    names = set()
    for score in (0.2, 0.4):
        choices = {name: Choice(score, None, None, None) for name in CLASSES}
        weights.save_operating_point(OperatingPoint(Rule.parse("f1"), 0.5, "data", choices))
        rows = Predictor(tmp_path).predict_rows(columns_of(arrays))
        assert min(one for row in rows for one in row["scores"]) >= score
        names.add(rows[0]["detector"])
    assert len(names) == 2


def test_weights_that_were_written_anew_are_loaded_anew(arrays, tmp_path):
    def first_names():
        return Predictor(tmp_path, score_threshold=0).predict_rows(columns_of(arrays))[0]["names"]

    make_run(tmp_path)
    assert set(first_names()) <= set(CLASSES)
    make_run(tmp_path, classes=("one", "two", "three"))
    assert set(first_names()) <= {"one", "two", "three"}


def test_a_missing_column_is_named_with_those_there_are(run):
    with pytest.raises(SingleshotError, match=r"image_column='jpg'.*path"):
        Predictor(run, image_column="jpg").predict_rows(columns_of([]))


def test_spark_gets_frames_with_the_columns_of_the_schema(run, arrays):
    """`mapInPandas` calls with an iterator of frames, and may give frames without rows."""
    frame = pd.DataFrame({"bytes": [encode(array) for array in arrays], "path": ["a", "b"]})
    predictor = Predictor(run, score_threshold=0)
    frames = list(predictor.map_pandas(iter([frame, frame[:0]])))
    columns = [part.strip().split(" ")[0] for part in Predictor.spark_schema().split(",")]
    assert [list(one.columns) for one in frames] == [columns, columns]
    assert [len(one) for one in frames] == [2, 0]
    assert frames[0].to_dict("records") == predictor.predict_rows(frame)
