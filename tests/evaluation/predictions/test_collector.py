"""What cannot be meant is refused, with its place and the remedy; what may be meant is counted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cells import make_cells

from singleshot.data.image_files.paths import ImagePaths
from singleshot.data.opening import open_dataset
from singleshot.errors import DataError
from singleshot.evaluation.predictions import load_predictions, write_predictions
from singleshot.metrics import Predictions

ONE_IN_THE_SECOND_IMAGE = Predictions(
    np.array([1]), np.array([[4.0, 4, 30, 30]]), np.array([0.9]), np.array([0])
)
ENTRY = {"image_id": 7, "category_id": 2, "bbox": [1, 2, 3, 4], "score": 0.5}
FOUND = {"box": [1, 2, 4, 6], "label": "cat", "score": 0.5}


def coco(folder: Path, change: dict[str, Any]) -> Path:
    (folder / "found.json").write_text(json.dumps([ENTRY, ENTRY | change, ENTRY | change]))
    return folder / "found.json"


def own(folder: Path, change: dict[str, Any]) -> Path:
    image = {"image": change.pop("image", "0.png"), "detections": [FOUND, FOUND | change]}
    (folder / "found.json").write_text(json.dumps([{"image": "1", "detections": []}, image]))
    return folder / "found.json"


def scored(folder: Path, change: dict[str, Any]) -> Path:
    content = {
        "images": [{"id": 7, "file_name": "0.png"}, {"id": 8, "file_name": "8.png"}],
        "annotations": [ENTRY, ENTRY | change],
        "categories": [{"id": 2, "name": "cat"}, {"id": 9, "name": "cow"}],
    }
    (folder / "found.json").write_text(json.dumps(content))
    return folder / "found.json"


def voc(folder: Path, lines: str) -> Path:
    (folder / "comp4_det_test_cat.txt").write_text(f"0 0.5 1 1 9 9\n\n{lines}\n")
    return folder / "comp4_det_test_cat.txt"


def yolo(folder: Path, lines: str) -> Path:
    (folder / "labels").mkdir()
    (folder / "labels/0.txt").write_text(f"0 0.5 0.5 0.5 0.5 0.5\n{lines}\n")
    return folder / "labels"


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("form", "change", "message"),
    [
        (coco, {"image_id": 8}, r"entry 1 is about an image not in three images.*: 8; take the"),
        (scored, {"image_id": 8}, r"entry 1 is about an image not in three images: 8\.png; ta"),
        (own, {"image": "8.png"}, r"entry 1 \(8\.png\), detection 0 is about an image not in .*8"),
        (voc, "8 0.5 1 1 9 9", r"cat\.txt, line 3 is about an image not in three images: 8; "),
        (coco, {"category_id": 1}, r"entry 1 is of a class not in .*: 1; it has cat, dog; rename"),
        (scored, {"category_id": 9}, r"entry 1 is of a class not in .*: cow; it has cat, dog; re"),
        (own, {"label": "cow"}, r"\(0\.png\), detection 1 is of a class not in .*: cow; it has ca"),
        (yolo, "2 0.5 0.5 0.5 0.5 0.5", r"0\.txt, line 2 is of a class not in .*: 2; it has cat"),
        (coco, {"score": NAN}, r"entry 1 needs 'score': a finite number.*\"score\": NaN.*export"),
        (coco, {"bbox": [1e308] * 4}, r"entry 1 needs 'bbox': 4 finite numbers up to 1e\+09"),
        (yolo, "0 0.5 0.5 -1e308 0.5 0.5", r"line 2 needs cx cy w h: 4 finite numbers up to 1e"),
        (coco, {"bbox": [1, 2, 1e308, 4]}, r"entry 1 needs 'bbox': 4 finite numbers.*1e\+308"),
        (coco, {"bbox": [1, 2, INFINITY, 4]}, r"entry 1 needs 'bbox': 4 finite numbers.*Infinity"),
        (own, {"box": [1, NAN, 3, 4]}, r"detection 1 needs 'box': 4 finite numbers.*correct or"),
        (own, {"score": None}, r"detection 1 needs 'score': a finite number"),
        (voc, "0 nan 1 1 9 9", r"line 3 needs a score: a finite number: 0 nan 1 1 9 9; export"),
        (
            voc,
            "0 0.5 1 x 9 9",
            r"line 3 needs x1 y1 x2 y2: 4 finite numbers up to .*: 0 0\.5 1 x 9 9; cor",
        ),
        (yolo, "0 0.5 inf 0.5 0.5 0.5", r"line 2: values beyond 0\.\.1 are not YOLO's fractions"),
        (coco, {"bbox": [1, 2, 3, -4]}, r"entry 1 has a box of negative size.*-4.*order the corn"),
        (own, {"box": [5, 2, 4, 6]}, r"detection 1 has a box of negative size"),
        (voc, "0 0.5 9 1 1 9", r"line 3 has a box of negative size"),
        (yolo, "0 0.5 0.5 -0.5 0.5 0.5", r"line 2 has a box of negative size"),
        (coco, {"score": 1.5}, r"entry 1 has a score outside 0 to 1 \(and 1 more\).*1\.5.*sigmoid"),
        (coco, {"score": -0.1}, r"entry 1 has a score outside 0 to 1.*any rising function"),
        (voc, "0 -3.2 1 1 9 9", r"line 3 has a score outside 0 to 1: 0 -3\.2 1 1 9 9; map them"),
        (yolo, "0 0.5 0.5 0.5 0.5 50", r"line 2 has a score outside 0 to 1"),
    ],
)
def test_wrong_entries_are_refused_with_their_place_and_remedy(
    dataset, tmp_path, form: Callable[[Path, Any], Path], change, message
):
    with pytest.raises(DataError, match=message):
        load_predictions(form(tmp_path, change), dataset)


@pytest.mark.parametrize(
    ("form", "lines", "message"),
    [
        (voc, "0 0.5 1 1 9", r"line 3: has 5 columns: 0 0\.5 1 1 9; expected image_id score x1"),
        (yolo, "0 0.5 0.5 0.5 0.5", r"line 2: has 5 columns.*score is missing.*save_conf=True"),
        (yolo, "0 0.5 0.5 0.5 0.5 0.5 0.5", r"line 2: has 7 columns.*expected class cx cy w h sc"),
        (yolo, "0 0.9 30 40 10 10", r"line 2: values beyond 0\.\.1 are not YOLO's fractions"),
        (yolo, "0 0.95 0.5 0.5 0.5 0.5\n0 0.9 0.5 0.5 0.5 0.5", r"line 2: its box reaches out of"),
    ],
)
def test_text_of_another_layout_is_refused(dataset, tmp_path, form, lines, message):
    with pytest.raises(DataError, match=message):
        load_predictions(form(tmp_path, lines), dataset)


def test_a_yolo_box_beyond_the_image_is_fine_where_the_order_is_certain(dataset, tmp_path):
    """In the other order the last line's box would reach out too: 0.9 high around 0.2."""
    folder = yolo(tmp_path, "0 0.9 0.5 0.5 0.9 0.9\n1 0.1 0.1 0.2 0.2 0.9")
    assert load_predictions(folder, dataset).predictions.boxes[1].tolist() == [39, 2, 69, 38]


def test_of_many_names_six_are_listed_and_the_rest_counted(dataset, tmp_path):
    entries = [ENTRY | {"image_id": number} for number in (*range(20, 30), 20)]
    (tmp_path / "found.json").write_text(json.dumps(entries))
    message = r"entry 0 .*\(and 10 more\): 20, 21, 22, 23, 24, 25 and 4 more; "
    with pytest.raises(DataError, match=message):
        load_predictions(tmp_path / "found.json", dataset)


def test_exact_copies_count_and_are_noted(dataset, tmp_path):
    entries = [ENTRY, ENTRY | {"score": 0.4}, ENTRY, ENTRY | {"bbox": [1, 2, 3, 5]}, ENTRY]
    (tmp_path / "found.json").write_text(json.dumps(entries))
    loaded = load_predictions(tmp_path / "found.json", dataset)
    assert len(loaded.predictions) == 5
    note, gaps = loaded.notes
    assert gaps == "2 of 3 images have no detection"
    assert note.startswith("2 of 5 detections are exact copies of another one")
    assert "the first in 0.png" in note


def test_repeated_ids_count_and_are_noted(dataset, tmp_path):
    entries = [ENTRY | {"id": number, "score": score} for number, score in ((1, 0.5), (1, 0.4))]
    (tmp_path / "found.json").write_text(json.dumps(entries))
    loaded = load_predictions(tmp_path / "found.json", dataset)
    assert len(loaded.predictions) == 2
    assert "1 of 2 entries have the id of another one (such as 1)" in loaded.notes[0]


def test_shares_may_number_their_entries_alike(dataset, tmp_path):
    folder = tmp_path / "shares"
    folder.mkdir()
    for name, image in (("a", 7), ("b", 3)):
        entry = ENTRY | {"id": 1, "image_id": image}
        (folder / f"{name}.json").write_text(json.dumps([entry]))
    assert load_predictions(folder, dataset).notes == ("1 of 3 images have no detection",)


def test_two_files_about_one_image_are_refused(dataset, tmp_path):
    folder = tmp_path / "shares"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.json").write_text(json.dumps([ENTRY]))
    with pytest.raises(DataError, match=r"b\.json: 0\.png is in a\.json as well; .* own folder"):
        load_predictions(folder, dataset)


def test_image_numbers_are_no_ids_in_a_data_set_without_ids(dataset, tmp_path):
    counted = replace(dataset, has_ids=False)
    file = tmp_path / "found.json"
    for wrong in (ENTRY, ENTRY | {"image_id": "0"}):
        file.write_text(json.dumps([wrong]))
        with pytest.raises(DataError, match="has no ids: write file names as image_id"):
            load_predictions(file, counted)
    file.write_text(json.dumps([ENTRY | {"image_id": "0", "category_name": "dog"}]))
    assert load_predictions(file, counted).predictions.labels.tolist() == [1]


def test_detections_of_one_split_are_not_scored_on_another(tmp_path):
    cells = make_cells(tmp_path / "cells")
    val, test = open_dataset(cells, "val"), open_dataset(cells, "test")
    write_predictions(ONE_IN_THE_SECOND_IMAGE, val, tmp_path / "found.json")
    assert len(load_predictions(tmp_path / "found.json", val).predictions) == 1
    with pytest.raises(DataError, match=r"entry 0 is about an image not in .*: val_1; take"):
        load_predictions(tmp_path / "found.json", test)


def test_a_split_with_the_same_image_numbers_is_detected_by_the_file_names(dataset, tmp_path):
    write_predictions(ONE_IN_THE_SECOND_IMAGE, dataset, tmp_path / "found.json")
    other = replace(dataset, paths=ImagePaths.of(["other/4.png", "other/5.png", "other/6.png"]))
    with pytest.raises(DataError, match=r"entry 0 is about an image not in .*: 1; take the split"):
        load_predictions(tmp_path / "found.json", other)


def test_a_list_without_detections_is_noted(dataset, tmp_path):
    (tmp_path / "found.json").write_text("[]")
    assert load_predictions(tmp_path / "found.json", dataset).notes == ("holds no detections",)


def test_boxes_without_area_are_fine(dataset, tmp_path):
    loaded = load_predictions(coco(tmp_path, {"bbox": [1, 2, 0, 0]}), dataset)
    assert loaded.predictions.boxes[1].tolist() == [1, 2, 1, 2]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.json": "[]", "a.txt": ""}, "has both JSON and text files, such as a.json and a.txt"),
        ({"a.png": ""}, "has neither JSON nor text files; expected COCO results .* YOLO text"),
        ({"comp4_det_test_cat.txt": "", "0.txt": ""}, "comp4_det_test_cat.txt and 0.txt, which"),
        ({"comp4_det_a_cat.txt": "", "comp4_det_b_dog.txt": ""}, "files of 2 sets .*: a, b; give"),
        ({"comp4_det_a_cow.txt": ""}, r"1 of 1 files are of a class .*comp4_det_a_cow\.txt; it ha"),
        ({"a.json": '[{"name": 3}]'}, "expected COCO results"),
        ({"a.json": "hello"}, "is no JSON, or only a part of it: .*expected '{'"),
    ],
)
def test_unknown_files_are_refused_with_the_expected_formats(dataset, tmp_path, files, message):
    (tmp_path / "found").mkdir()
    for name, text in files.items():
        (tmp_path / "found" / name).write_text(text)
    with pytest.raises(DataError, match=message):
        load_predictions(tmp_path / "found", dataset)


@pytest.mark.parametrize("text", ["", "hello", "0 0.5 0.5 0.5 0.5 0.9"])
def test_an_unknown_format_is_refused_with_the_expected_ones(dataset, tmp_path, text):
    (tmp_path / "found.txt").write_text(text)
    formats = (
        r"expected COCO results .*with a \"score\".*predict --json.*comp4_det_test_CLASS.*YOLO"
    )
    with pytest.raises(DataError, match=formats):
        load_predictions(tmp_path / "found.txt", dataset)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": [{"id": 1}]}, r"images: \{'id': 1\} needs 'id' and 'file_name'; add them"),
        (
            {"categories": [{"id": 1, "name": "cat"}, {"id": 1, "name": "dog"}]},
            "id 1 means both 'cat' and 'dog'; give each its own id",
        ),
        (
            {"images": [{"id": 1, "file_name": "a/0.png"}, {"id": 2, "file_name": "b/0.png"}]},
            "'a/0.png' and 'b/0.png' would both be the same image",
        ),
        ({"annotations": [3]}, "entry 0 is no detection: 3; remove it"),
    ],
)
def test_contradictory_coco_annotations_are_refused(dataset, tmp_path, content, message):
    whole = {"images": [], "annotations": [], "categories": []} | content
    (tmp_path / "found.json").write_text(json.dumps(whole))
    with pytest.raises(DataError, match=message):
        load_predictions(tmp_path / "found.json", dataset)


def test_two_names_of_one_image_are_refused(dataset, tmp_path):
    images = [{"image": name, "detections": [FOUND]} for name in ("a/0.png", "b/0.png")]
    (tmp_path / "found.json").write_text(json.dumps(images))
    with pytest.raises(DataError, match=r"'a/0\.png' and 'b/0\.png' would both be the same"):
        load_predictions(tmp_path / "found.json", dataset)
    entries = [ENTRY | {"image_id": name} for name in ("a/0.png", "b/0.png")]
    (tmp_path / "found.json").write_text(json.dumps(entries))
    with pytest.raises(DataError, match=r"'a/0\.png' and 'b/0\.png' would both be the same"):
        load_predictions(tmp_path / "found.json", dataset)


@pytest.mark.parametrize(
    ("name", "head", "filling", "message"),
    [
        ("found.json", "[", "x", "entry 0, character 1: Expecting value"),
        ("found.json", '[{"image_id": "', "x", "entry 0, character 14: Unterminated string"),
        ("found.json", "[", "[", "brackets within brackets without end"),
        ("found.json", '[{"image_id": ', "1", "entry 0"),
        ("comp4_det_test_cat.txt", "", "0.5 ", "line 1: is longer than 10000 characters"),
        ("found", "", "x", "expected COCO results"),
    ],
)
def test_garbage_is_refused_without_reading_it_all(dataset, tmp_path, name, head, filling, message):  # noqa: PLR0917
    """A billion characters; most file systems store the zeros at the end thinly."""
    file = tmp_path / name
    file.write_text(head + filling * 3_000_000)
    with file.open("r+b") as sparse:
        sparse.truncate(1_000_000_000)
    start = time.process_time()
    with pytest.raises(DataError, match=message):
        load_predictions(file, dataset)
    assert time.process_time() - start < 1


def test_a_missing_share_shows(dataset, tmp_path):
    """Of three shares, each about one image, the last one is not there."""
    folder = tmp_path / "shares"
    folder.mkdir()
    for image in (7, 3):
        (folder / f"{image}.json").write_text(json.dumps([ENTRY | {"image_id": image}]))
    assert "1 of 3 images have no detection" in load_predictions(folder, dataset).notes
    (folder / "12.json").write_text(json.dumps([ENTRY | {"image_id": 12}]))
    assert load_predictions(folder, dataset).notes == ()


def test_classes_that_are_no_text_are_an_error(dataset, tmp_path):
    folder = yolo(tmp_path, "")
    (folder / "classes.txt").write_bytes(b"caf\xe9")
    with pytest.raises(DataError, match=r"classes\.txt: is no text in UTF-8"):
        load_predictions(folder, dataset)
