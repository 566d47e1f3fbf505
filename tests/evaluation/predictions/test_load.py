"""The same three detections in every format; all must be read as the same."""

# Tests singleshot/evaluation/predictions/image_names.py
# Tests singleshot/evaluation/predictions/predict_json.py
# Tests singleshot/evaluation/predictions/scored_annotations.py
# Tests singleshot/evaluation/predictions/text_lines.py
# Tests singleshot/evaluation/predictions/voc_text.py
# Tests singleshot/evaluation/predictions/yolo_text.py

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from singleshot.data.dataset import DataSet
from singleshot.data.image_files.paths import ImagePaths
from singleshot.data.opening import open_dataset
from singleshot.errors import DataError
from singleshot.evaluation.evaluate_predictions import evaluate_predictions
from singleshot.evaluation.predictions import load_predictions, write_predictions
from singleshot.metrics import Predictions, Protocol
from singleshot.structures import Truth

# Image 0 is 60 wide and 40 high, image 2 is 40 wide and 60 high.
EXPECTED = Predictions(
    images=np.array([0, 0, 2]),
    boxes=np.array([[0, 0, 30, 20], [6, 4, 24, 36], [10, 15, 20, 45.0]]),
    scores=np.array([0.9, 0.25, 0.7]),
    labels=np.array([1, 0, 1]),
)
OWN = [
    {
        "image": "somewhere/0.png",
        "width": 60,
        "height": 40,
        "detections": [
            {"box": [0, 0, 30, 20], "label": "dog", "score": 0.9},
            {"box": [6, 4, 24, 36], "label": "cat", "score": 0.25},
        ],
    },
    {"image": "1.png", "width": 50, "height": 50, "detections": []},
    {
        "image": "2.png",
        "width": 40,
        "height": 60,
        "detections": [{"box": [10, 15, 20, 45], "label": "dog", "score": 0.7}],
    },
]
SCORED = {
    "info": {"year": 2026},
    "images": [{"id": 0, "file_name": "0.jpg"}, {"id": 5, "file_name": "sub/2.png"}],
    "annotations": [
        {"id": 0, "image_id": 0, "category_id": 4, "bbox": [0, 0, 30, 20], "score": 0.9},
        {"id": 1, "image_id": 0, "category_id": 8, "bbox": [6, 4, 18, 32], "score": 0.25},
        {"id": 2, "image_id": 5, "category_id": 4, "bbox": [10, 15, 10, 30], "score": 0.7},
    ],
    "categories": [{"id": 8, "name": "cat"}, {"id": 4, "name": "dog"}],
}


def assert_as_expected(loaded: Predictions) -> None:
    """Up to the order, of which only that of equal scores matters."""
    order = np.lexsort((-loaded.scores, loaded.images))
    assert loaded.images[order].tolist() == EXPECTED.images.tolist()
    assert loaded.labels[order].tolist() == EXPECTED.labels.tolist()
    np.testing.assert_allclose(loaded.boxes[order], EXPECTED.boxes, rtol=1e-12)
    assert loaded.scores[order].tolist() == EXPECTED.scores.tolist()


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def write_json(path: Path, content: object) -> Path:
    return write(path, json.dumps(content))


def write_voc(folder: Path) -> Path:
    write(folder / "comp4_det_test_dog.txt", "0 0.9 1 1 30 20", "2 0.7 11 16 20 45")
    write(folder / "comp4_det_test_cat.txt", "0 0.25 7 5 24 36")
    return folder


def write_yolo(folder: Path) -> Path:
    write(folder / "0.txt", "1 0.25 0.25 0.5 0.5 0.9", "0 0.25 0.5 0.3 0.8 0.25")
    write(folder / "2.txt", "1 0.375 0.5 0.25 0.5 0.7")
    return folder


def test_coco_results_with_the_ids_of_the_data_set(dataset, tmp_path):
    write_predictions(EXPECTED, dataset, tmp_path / "found.json")
    loaded = load_predictions(tmp_path / "found.json", dataset)
    assert_as_expected(loaded.predictions)
    assert loaded.kind == "1 file of COCO results"
    assert loaded.notes == ("1 of 3 images have no detection",)


def test_coco_results_may_name_images_instead(dataset, tmp_path):
    """Ultralytics writes the stem of the image when it is no number."""
    entry = {"image_id": "0", "category_id": 9, "bbox": [0, 0, 1, 1], "score": 1}
    found = write_json(tmp_path / "found.json", [entry, entry | {"image_id": "2.png"}])
    assert load_predictions(found, dataset).predictions.images.tolist() == [0, 2]


def test_coco_annotations_with_scores_go_by_names(dataset, tmp_path):
    loaded = load_predictions(write_json(tmp_path / "found.json", SCORED), dataset)
    assert_as_expected(loaded.predictions)
    assert loaded.kind == "1 file of COCO annotations with scores"


def test_the_lists_of_coco_annotations_come_in_any_order(dataset, tmp_path):
    backwards = dict(reversed(SCORED.items()))
    assert_as_expected(
        load_predictions(write_json(tmp_path / "found.json", backwards), dataset).predictions
    )


def test_voc_text_counts_pixels_from_one(dataset, tmp_path):
    loaded = load_predictions(write_voc(tmp_path / "results"), dataset)
    assert_as_expected(loaded.predictions)
    assert loaded.kind == "2 files of VOC text"


def test_one_file_of_voc_text_is_one_class(dataset, tmp_path):
    file = write(tmp_path / "comp3_det_my_val_cat.txt", "0.png 0.25 7 5 24 36", "", "1 1 1 1 2 2")
    loaded = load_predictions(file, dataset).predictions
    assert loaded.labels.tolist() == [0, 0]
    assert loaded.boxes.tolist() == [[6, 4, 24, 36], [0, 0, 2, 2]]


def test_equal_scores_keep_the_order_of_the_file(dataset, tmp_path):
    file = write(tmp_path / "comp4_det_test_cat.txt", "2 0.5 1 1 9 9", "0 0.5 1 1 9 9")
    assert load_predictions(file, dataset).predictions.images.tolist() == [2, 0]


def test_class_names_of_voc_files_may_hold_underscores_and_blanks(dataset, tmp_path):
    named = replace(dataset, class_names=("traffic light", "dining_table"))
    write(tmp_path / "voc/comp4_det_val_2_dining_table.txt", "0 0.5 1 1 9 9")
    write(tmp_path / "voc/comp4_det_val_2_traffic light.txt", "0 0.5 1 1 9 9")
    assert load_predictions(tmp_path / "voc", named).predictions.labels.tolist() == [1, 0]


def test_of_several_classes_that_match_a_file_name_the_longest_is_taken(dataset, tmp_path):
    named = replace(dataset, class_names=("table", "dining_table"))
    file = write(tmp_path / "comp4_det_test_dining_table.txt", "0 0.5 1 1 9 9")
    assert load_predictions(file, named).predictions.labels.tolist() == [1]


def test_yolo_text_is_in_fractions_of_the_images(dataset, tmp_path):
    """Sizes are not stated in this data set: the headers of the images tell them."""
    loaded = load_predictions(write_yolo(tmp_path / "labels"), dataset)
    assert_as_expected(loaded.predictions)
    assert loaded.kind == "2 files of YOLO text"


def test_yolo_text_takes_the_sizes_of_the_annotations_first(dataset, tmp_path):
    stated = replace(dataset, sizes=np.array([[400, 600], [500, 500], [600, 400]]))
    loaded = load_predictions(write_yolo(tmp_path / "labels"), stated).predictions
    np.testing.assert_allclose(loaded.boxes, 10 * EXPECTED.boxes)


def test_classes_txt_beside_yolo_text_names_its_classes(dataset, tmp_path):
    labels = write_yolo(tmp_path / "labels")
    note = load_predictions(labels, dataset).notes[0]
    assert note.startswith("class numbers: 0 cat, 1 dog, as in the data set; a classes.txt beside")
    (labels / "classes.txt").write_text("\ufeffdog\ncat\n\n", encoding="utf-8")
    loaded = load_predictions(labels, dataset)
    assert loaded.predictions.labels.tolist() == (1 - EXPECTED.labels).tolist()
    assert loaded.notes[0] == f"class numbers: 0 dog, 1 cat, as in {labels / 'classes.txt'}"
    assert loaded.kind == "2 files of YOLO text"
    (labels / "classes.txt").write_text("cow\ncat\n")
    with pytest.raises(DataError, match="is of a class not in"):
        load_predictions(labels, dataset)


def test_an_empty_yolo_file_has_no_detections(dataset, tmp_path):
    (write_yolo(tmp_path / "labels") / "1.txt").touch()
    assert_as_expected(load_predictions(tmp_path / "labels", dataset).predictions)


def test_the_output_of_predict(dataset, tmp_path):
    loaded = load_predictions(write_json(tmp_path / "found.json", OWN), dataset)
    assert_as_expected(loaded.predictions)
    assert loaded.kind == "1 file of `singleshot predict --json`"


@pytest.mark.parametrize("num_shards", [1, 2, 3])
def test_shards_are_exactly_the_whole(dataset, tmp_path, num_shards):
    for shard in range(num_shards):
        write_json(tmp_path / "shards" / f"{shard}.json", OWN[shard::num_shards][::-1])
    loaded = load_predictions(tmp_path / "shards", dataset).predictions
    whole = load_predictions(write_json(tmp_path / "found.json", OWN), dataset).predictions
    for column in ("images", "boxes", "scores", "labels"):
        assert getattr(loaded, column).tolist() == getattr(whole, column).tolist()


def test_shards_may_be_of_several_kinds(dataset, tmp_path):
    write_json(tmp_path / "shards/own.json", OWN[:2])
    entry = {"image_id": 12, "category_id": 9, "bbox": [10, 15, 10, 30], "score": 0.7}
    write_json(tmp_path / "shards/coco.json", [entry])
    loaded = load_predictions(tmp_path / "shards", dataset)
    assert_as_expected(loaded.predictions)
    assert loaded.kind == "2 files of COCO results and `singleshot predict --json`"


def test_images_of_one_name_are_distinguished_by_their_folders(dataset, tmp_path):
    paths = ImagePaths.of(["data/train/a.jpg", "data/val/a.jpg", "data/val/a.png"])
    twins = replace(dataset, paths=paths)
    names = ["train/a.jpg", "/elsewhere/val/a.png", "val\\a.jpg"]
    (detection,) = OWN[2]["detections"]
    found = [
        {"image": name, "detections": [detection | {"score": score}]}
        for name, score in zip(names, (0.1, 0.2, 0.3), strict=True)
    ]
    file = write_json(tmp_path / "found.json", found)
    assert load_predictions(file, twins).predictions.scores.tolist() == [0.1, 0.3, 0.2]
    write_json(file, [{"image": "a", "detections": OWN[2]["detections"]}])
    with pytest.raises(DataError, match=r"name that several images have .*: a; write the folder"):
        load_predictions(file, twins)


def test_a_dot_in_a_name_is_no_suffix(dataset, tmp_path):
    dotted = replace(dataset, paths=ImagePaths.of(["x/07.1.jpg", "x/07.2.jpg", "x/07.jpg"]))
    file = write(tmp_path / "comp4_det_test_cat.txt", "07.2 1 1 1 9 9", "07 1 1 1 9 9")
    assert load_predictions(file, dotted).predictions.images.tolist() == [1, 2]


def test_all_forms_of_real_detections_give_the_same(shared, tmp_path):
    """452 detections of twenty classes, whose ids are not those of the data set."""
    dataset = open_dataset(shared / "data/voc2012_100")
    document = shared / "data/voc2012_100/detections/coco_format/coco_dets.json"
    loaded = load_predictions(document, dataset).predictions
    assert len(loaded) == 452
    write_predictions(loaded, dataset, tmp_path / "found.json")
    again = load_predictions(tmp_path / "found.json", dataset).predictions
    assert again.boxes.tolist() == loaded.boxes.tolist()
    assert again.scores.tolist() == loaded.scores.tolist()
    write_real_voc(tmp_path / "voc", loaded, dataset)
    of_voc = load_predictions(tmp_path / "voc", dataset).predictions
    order, voc_order = (np.lexsort((one.scores, one.images)) for one in (loaded, of_voc))
    for column in ("images", "boxes", "scores", "labels"):
        ours, theirs = getattr(loaded, column)[order], getattr(of_voc, column)[voc_order]
        assert ours.tolist() == theirs.tolist()


def write_real_voc(folder: Path, predictions: Predictions, dataset: DataSet) -> None:
    rows = zip(
        predictions.images.tolist(),
        predictions.boxes.tolist(),
        predictions.scores.tolist(),
        predictions.labels.tolist(),
        strict=True,
    )
    lines: dict[str, list[str]] = {}
    for image, (x1, y1, x2, y2), score, label in rows:
        line = f"{Path(dataset.paths[image]).stem} {score!r} {x1 + 1} {y1 + 1} {x2} {y2}"
        lines.setdefault(dataset.class_names[label], []).append(line)
    for name, of_class in lines.items():
        write(folder / f"comp4_det_test_{name}.txt", *of_class)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("abs_xywh", "values beyond 0..1 are not YOLO's fractions"),
        ("abs_xyx2y2", "values beyond 0..1 are not YOLO's fractions"),
        ("rel_xywh", "order the columns as class cx cy w h score"),
    ],
)
def test_other_layouts_of_text_are_not_mistaken_for_yolo(shared, layout, message):
    dataset = open_dataset(shared / "data/voc2012_100")
    with pytest.raises(DataError, match=message):
        load_predictions(shared / "data/voc2012_100/detections" / layout, dataset)


def test_an_unknown_image_size_is_an_error(tmp_path):
    nothing = Truth.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    bare = DataSet.of(["cat", "dog"], [(tmp_path / "0.png", nothing)], description="bare")
    write(tmp_path / "labels/0.txt", "1 0.25 0.25 0.5 0.5 0.9")
    with pytest.raises(DataError, match=r"0\.png: its size is needed .* state width and height"):
        load_predictions(tmp_path / "labels", bare)


def test_an_annotation_may_name_its_class_itself(dataset, tmp_path):
    named = [one | {"category_name": None} for one in SCORED["annotations"]]
    named[0]["category_name"] = "dog"
    file = write_json(tmp_path / "found.json", SCORED | {"annotations": named})
    assert_as_expected(load_predictions(file, dataset).predictions)


def test_saved_names_are_as_long_as_they_must_be(tmp_path):
    """Two images a.jpg, an a.png beside the second, and one whose stem ends like a suffix."""
    paths = np.array(["/d/x/a.jpg", "/d/y/a.jpg", "/d/y/a.png", "/d/b.jpg.png", "/d/c.d.png"])
    five = DataSet.of(
        ["cat", "dog"],
        [(Path(path), Truth.of(torch.zeros(0, 4), torch.zeros(0).long())) for path in paths],
        description="five",
    )
    found = replace(EXPECTED[np.zeros(5, int)], images=np.arange(5))
    write_predictions(found, five, tmp_path / "found.json")
    names = [one["image_id"] for one in json.loads((tmp_path / "found.json").read_text())]
    assert names == ["x/a.jpg", "y/a.jpg", "a.png", "b.jpg.png", "c.d"]
    again = load_predictions(tmp_path / "found.json", five).predictions
    assert again.images.tolist() == [0, 1, 2, 3, 4]


def test_equal_scores_rank_by_image_in_one_file_as_in_shares(dataset, tmp_path):
    """True positive in image 0, false positive in image 2, both 0.5: AP 1 if ranked so."""
    true_positive = {"image_id": 7, "category_id": 2, "bbox": [0, 0, 20, 20], "score": 0.5}
    wrong = true_positive | {"image_id": 12}
    file = write_json(tmp_path / "found.json", [wrong, true_positive])
    for name, entry in (("a", wrong), ("b", true_positive)):
        write_json(tmp_path / f"shares/{name}.json", [entry])
    write(tmp_path / "voc/comp4_det_test_cat.txt", "2 0.5 1 1 20 20", "0 0.5 1 1 20 20")
    precisions = []
    for place in (file, tmp_path / "shares", tmp_path / "voc"):
        loaded = load_predictions(place, dataset).predictions
        report = evaluate_predictions(loaded, dataset, protocol=Protocol.VOC10)
        precisions.append(report.per_class["cat"].average_precision)
    assert precisions == [1, 1, 0.5]
