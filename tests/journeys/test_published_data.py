"""Data sets as they were published: trained on for one step, evaluated, converted; no option."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command_line import singleshot

from singleshot.data.opening import open_dataset

FOLDERS = (
    *("bccd", "broken_jpeg", "dlib_faces", "kangaroo", "plates", "tiny_coco", "traffic"),
    "voc2012_100",
)
FORMS = ("coco_v1", "coco_v2", "cvat", "imagenet", "labelme", "openimages", "yolo")
ONE_STEP = (
    *("--val-split", "none", "--set", "model.input=[64,64]", "--set", "training.steps=1"),
    *("--set", "training.batch_size=2", "--set", "training.workers=0"),
    *("--set", "training.cache=0"),
)


@pytest.mark.parametrize("name", FOLDERS)
def test_every_folder_trains_evaluates_and_converts(shared, tmp_path, name):
    data, run, other = str(shared / "data" / name), str(tmp_path / "run"), str(tmp_path / "coco")
    done = singleshot("train", "ssdlite320-lite0", "--data", data, "--run", run, *ONE_STEP)
    assert done.exit_code == 0, done.stderr
    done = singleshot("evaluate", run, data)
    assert done.exit_code == 0, done.stderr
    done = singleshot("data", "convert", data, "--to", "coco", other, "--link")
    assert done.exit_code == 0, done.stderr
    ours, again = open_dataset(data), open_dataset(other)
    assert len(again.truths) == len(ours.truths)
    assert set(again.class_names) == set(ours.class_names)


@pytest.fixture(scope="module")
def reference(shared) -> dict[str, list[tuple[str, list[float]]]]:
    """Sorted boxes and class names of VOC's own annotations, by image."""
    return objects_of(open_dataset(shared / "data/voc2012_100/VOC2012"))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_voc_has_the_same_boxes(shared, tmp_path, reference, form):
    folder = shared / "data/voc2012_100"
    data = tmp_path / "data"
    shutil.copytree(folder / "other-formats" / form, data)
    shutil.copytree(folder / "VOC2012/JPEGImages", data / "JPEGImages")
    run = str(tmp_path / "run")
    done = singleshot("train", "ssdlite320-lite0", "--data", str(data), "--run", run, *ONE_STEP)
    assert done.exit_code == 0, done.stderr
    done = singleshot("evaluate", run, str(data), "--json")
    assert json.loads(done.stdout)["truths"] > 200
    dataset = open_dataset(data)
    assert len(dataset) == 100
    for name, objects in objects_of(dataset).items():
        assert [kind for kind, _ in objects] == [kind for kind, _ in reference[name]]
        for (_, ours), (_, theirs) in zip(objects, reference[name], strict=True):
            # Most converters keep VOC's 1 in the left and top sides.
            assert max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) <= 1.001


def objects_of(dataset) -> dict[str, list[tuple[str, list[float]]]]:
    """Sort the objects of each image by class and position."""
    found = {}
    for index, path in enumerate(dataset.paths):
        truth = dataset.truth(index)
        names = [dataset.class_names[label] for label in truth.labels.tolist()]
        found[Path(path).stem] = sorted(zip(names, truth.boxes.tolist(), strict=True))
    return found
