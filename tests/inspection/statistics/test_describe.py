# Tests singleshot/inspection/statistics/measure.py, singleshot/inspection/statistics/result.py
# Tests singleshot/inspection/statistics/options.py, singleshot/inspection/statistics/tables.py
# Tests singleshot/inspection/statistics/remarks.py, singleshot/cli/data/stats.py
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from cells import make_cells
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import singleshot
from singleshot.cli import app
from singleshot.inspection.statistics.measure import ObjectArrays, coverage_map
from singleshot.inspection.statistics.remarks import remark_on_data
from singleshot.inspection.statistics.result import DataStatistics
from singleshot.inspection.statistics.tables import format_statistics
from singleshot.structures import Truth


def statistics_of(dataset: singleshot.DataSet) -> DataStatistics:
    return DataStatistics.of(
        ObjectArrays.of(dataset), {}, data=dataset.description, notes=(), page=None
    )


def dataset_of(images: list[list[tuple[int, list[float]]]], num_classes: int = 3):
    truths = [
        Truth.of(
            torch.tensor([box for _, box in one], dtype=torch.float64).reshape(-1, 4),
            torch.tensor([label for label, _ in one]).long(),
        )
        for one in images
    ]
    pairs = [(Path(f"{index}.jpg"), truth) for index, truth in enumerate(truths)]
    names = [f"class {label}" for label in range(num_classes)]
    return singleshot.DataSet.of(names, pairs, description="made up")


def test_numbers_that_can_be_counted_by_hand():
    dataset = dataset_of(
        [
            [(0, [0, 0, 10, 40]), (0, [0, 0, 40, 40]), (1, [0, 0, 100, 200])],
            [(0, [5, 5, 25, 25])],
            [],
        ]
    )
    found = statistics_of(dataset)
    assert (found.images, found.images_without_objects, found.most_objects) == (3, 1, 3)
    first = found.per_class["class 0"]
    assert (first.images, first.objects, first.share) == (2, 3, 0.75)
    assert (first.size.median, first.aspect_ratio.median) == (20, 1)
    assert first.coco_sizes == {"small": 2, "medium": 1, "large": 0}
    assert found.per_class["class 1"].coco_sizes == {"small": 0, "medium": 0, "large": 1}
    assert found.per_class["class 2"].objects == 0
    assert found.pairs == (("class 0", "class 1", 1),)
    assert found.images_of_unknown_size == 3
    assert "Without objects: class 2." in remark_on_data(found)


def test_real_numbers_agree_with_the_annotations(shared):
    found = singleshot.describe_dataset(shared / "data/bccd")
    # grep -c '<name>RBC</name>' over all files, without the two boxes that have no area.
    assert {name: one.objects for name, one in found.per_class.items()} == {
        "RBC": 4153,
        "WBC": 372,
        "Platelets": 361,
    }
    assert {name: (one.images, one.objects) for name, one in found.splits.items()} == {
        "test": (72, 945),
        "train": (205, 2804),
        "trainval": (292, 3941),
        "val": (87, 1137),
    }
    assert [(one.width, one.height, one.images) for one in found.image_sizes] == [(640, 480, 364)]
    assert sum(map(sum, found.centres)) == 4886


def test_crowds_are_no_objects(shared):
    found = singleshot.describe_dataset(shared / "data/tiny_coco")
    assert found.all.crowds == 10
    assert sum(one.crowds for one in found.per_class.values()) == 10


BOX = st.tuples(*[st.floats(0, 1)] * 4).map(
    lambda box: [min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3])]
)


@given(st.lists(BOX, max_size=20))
def test_the_map_of_coverage_counts_the_boxes_over_each_cell(boxes):
    array = np.array(boxes).reshape(-1, 4)
    centres = (np.arange(5) + 0.5) / 5
    expected = [
        [sum(x1 <= x < x2 and y1 <= y < y2 for x1, y1, x2, y2 in boxes) for x in centres]
        for y in centres
    ]
    assert coverage_map(array, 5).tolist() == expected


def test_one_image_without_objects():
    found = statistics_of(dataset_of([[]]))
    assert found.all.share is None
    assert found.all.size.median is None
    json.dumps(found.to_json(), allow_nan=False)
    assert "1 images without objects" in format_statistics(found.to_json())


def test_the_table_of_a_thousand_classes_is_bounded():
    dataset = dataset_of([[(label, [0, 0, 9, 9])] for label in range(1000)], 1000)
    text = format_statistics(statistics_of(dataset).to_json())
    assert "… and 960 more classes" in text
    assert len(text.splitlines()) < 60


def test_a_class_that_a_split_lacks_is_a_remark():
    dataset = dataset_of([[(0, [0, 0, 9, 9])], [(1, [0, 0, 9, 9])]])
    members = {"train": np.array([True, False]), "val": np.array([False, True])}
    found = DataStatistics.of(ObjectArrays.of(dataset), members, data="", notes=(), page=None)
    assert "Not in the split val: class 0." in remark_on_data(found)


def test_the_command_prints_json_or_a_table(tmp_path):
    make_cells(tmp_path / "cells")
    printed = CliRunner().invoke(app, ["data", "stats", str(tmp_path / "cells"), "--json"])
    document = json.loads(printed.stdout)
    assert (document["images"], document["objects"]) == (10, 18)
    assert document["splits"]["train"] == {"images": 6, "objects": 10}
    assert document["pairs"] == [{"classes": ["RBC", "WBC"], "images": 9}]
    table = (
        CliRunner()
        .invoke(app, ["data", "stats", str(tmp_path / "cells"), "--split", "test"])
        .stdout
    )
    assert table.splitlines()[1].split() == ["all", "2", "4"]


def test_an_image_that_is_cut_short_is_described(shared):
    found = singleshot.describe_dataset(shared / "data/kangaroo")
    assert found.images_of_unknown_size == 0


def test_a_split_without_images_is_counted(tmp_path):
    folder = make_cells(tmp_path / "cells")
    (folder / "ImageSets/Main/extra.txt").touch()
    splits = singleshot.describe_dataset(folder).splits
    assert {name: one.images for name, one in splits.items()} == {
        "extra": 0,
        "test": 2,
        "train": 6,
        "val": 2,
    }
