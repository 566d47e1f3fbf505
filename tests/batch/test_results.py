"""Rows become a COCO results file, in parts that an interruption leaves."""

# Tests singleshot/batch/results.py

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from singleshot.batch import finished_images, write_coco_results
from singleshot.errors import DataError, SingleshotError, StorageError


def row(image: str | int, error: str | None = None, detector: str = "a1") -> dict[str, Any]:
    """The row of an image with one detection, or with an error."""
    found = error is None
    return {
        "image": image,
        "width": 40,
        "height": 30,
        "boxes": [[1.0, 2.0, 11.0, 7.0]] * found,
        "scores": [0.75] * found,
        "labels": [1] * found,
        "names": ["dog"] * found,
        "error": error,
        "detector": detector,
    }


def interrupted(number: int) -> Iterator[dict[str, Any]]:
    """So many rows, then what Ctrl-C raises."""
    yield from (row(index) for index in range(number))
    raise KeyboardInterrupt


def test_a_detection_is_an_entry_of_coco(tmp_path):
    summary = write_coco_results([row("a.jpg")], tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text()) == [
        {
            "image_id": "a.jpg",
            "category_id": 2,
            "category_name": "dog",
            "bbox": [1.0, 2.0, 10.0, 5.0],
            "score": 0.75,
        }
    ]
    assert (summary.num_images, summary.num_detections, summary.num_broken) == (1, 1, 0)


def test_cells_may_be_numpys(tmp_path):
    given = row(np.int64(7)) | {
        "boxes": np.array([np.array([1, 2, 11, 7], np.float32)]),
        "scores": np.array([0.75], np.float32),
        "labels": np.array([1]),
    }
    write_coco_results([given], tmp_path / "numpy.json")
    write_coco_results([row(7)], tmp_path / "plain.json")
    assert (tmp_path / "numpy.json").read_text() == (tmp_path / "plain.json").read_text()


def test_what_was_finished_is_kept_and_the_rest_is_added(tmp_path):
    path = tmp_path / "r.json"
    with pytest.raises(KeyboardInterrupt):
        write_coco_results(interrupted(7), path, images_per_part=3)
    assert not path.exists()
    assert finished_images(path) == set(range(6))

    rest = (row(index) for index in range(5, 10))
    summary = write_coco_results(rest, path, images_per_part=3)
    assert (summary.num_images, summary.num_repeated) == (10, 1)
    write_coco_results(map(row, range(10)), tmp_path / "whole.json")
    assert path.read_text() == (tmp_path / "whole.json").read_text()


def test_no_part_is_written_over_after_the_millionth(tmp_path):
    path = tmp_path / "results.json"
    write_coco_results([row("a")], path)
    parts = tmp_path / "results.json.parts"
    (parts / "000000.jsonl").rename(parts / "999999.jsonl")
    for image in ("b", "c"):
        write_coco_results([row(image)], path)
    assert finished_images(path) == {"a", "b", "c"}


def test_a_finished_file_stays_as_it_is(tmp_path):
    write_coco_results(map(row, range(4)), tmp_path / "r.json")
    before = (tmp_path / "r.json").read_text()
    summary = write_coco_results([], tmp_path / "r.json")
    assert summary.num_images == 4
    assert (tmp_path / "r.json").read_text() == before


def test_broken_images_are_counted_and_listed(tmp_path):
    summary = write_coco_results([row("a"), row("b", "b: is empty")], tmp_path / "r.json")
    assert (summary.num_images, summary.num_detections, summary.num_broken) == (2, 1, 1)
    assert json.loads(summary.errors.read_text()) == [{"image": "b", "error": "b: is empty"}]


def test_nothing_is_begun_without_a_row(tmp_path):
    assert finished_images(tmp_path / "r.json") == set()
    assert list(tmp_path.iterdir()) == []


def test_no_row_gives_an_empty_list(tmp_path):
    write_coco_results([], tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text()) == []


def test_two_images_of_one_id_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"'a\.jpg' occurs twice"):
        write_coco_results([row("a.jpg"), row("a.jpg")], tmp_path / "r.json")


@pytest.mark.parametrize("image", [None, float("nan"), 1.5])
def test_an_id_that_is_missing_or_no_whole_number_is_refused(tmp_path, image):
    with pytest.raises(DataError, match="a name or a whole number"):
        write_coco_results([row(image)], tmp_path / "r.json")


def test_parts_of_another_detector_are_refused(tmp_path):
    write_coco_results([row(1)], tmp_path / "r.json")
    with pytest.raises(StorageError, match="two detectors or score thresholds"):
        write_coco_results([row(2, detector="b2")], tmp_path / "r.json")


def test_a_damaged_part_is_named(tmp_path):
    write_coco_results([row(1)], tmp_path / "r.json")
    (tmp_path / "r.json.parts/000000.jsonl").write_text('{"image": 1')
    with pytest.raises(StorageError, match=r"r\.json\.parts: a part is damaged"):
        finished_images(tmp_path / "r.json")


def test_two_processes_do_not_write_one_file(tmp_path):
    write_coco_results([row(1)], tmp_path / "r.json")
    with (
        FileLock(tmp_path / "r.json.parts/lock"),
        pytest.raises(StorageError, match="another process writes"),
    ):
        write_coco_results([row(2)], tmp_path / "r.json")


def test_ids_of_categories_may_be_given(tmp_path):
    write_coco_results([row(1)], tmp_path / "r.json", category_ids={"cat": 17, "dog": 18})
    assert json.loads((tmp_path / "r.json").read_text())[0]["category_id"] == 18
    with pytest.raises(DataError, match="no id of 'dog'"):
        write_coco_results([], tmp_path / "r.json", category_ids={"cat": 17})


@pytest.mark.parametrize("given", [{"image": "a"}, ("a", 1)])
def test_other_rows_are_refused(tmp_path, given):
    with pytest.raises(DataError, match="is not that of a Predictor"):
        write_coco_results([given], tmp_path / "r.json")


def test_a_part_has_an_image_or_more(tmp_path):
    with pytest.raises(SingleshotError, match="images_per_part=0"):
        write_coco_results([], tmp_path / "r.json", images_per_part=0)
