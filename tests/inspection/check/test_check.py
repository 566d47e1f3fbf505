"""Each planted error is found, at its place and with its number, and nothing else is."""

# Tests singleshot/cli/data/check.py
# Tests singleshot/inspection/check/explanations.py
# Tests singleshot/inspection/check/images.py
# Tests singleshot/inspection/check/labels.py
# Tests singleshot/inspection/check/result.py
# Tests singleshot/inspection/check/splits.py
# Tests singleshot/inspection/check/text.py

from __future__ import annotations

import json
import shutil

import pytest
import torch
from command_line import singleshot as singleshot_command
from planters import PLANTERS

import singleshot
from singleshot.data.findings import KINDS
from singleshot.inspection.check import labels
from singleshot.inspection.check.explanations import EXPLANATIONS
from singleshot.structures import Detections


def found(path, **options) -> dict[str, list[str]]:
    """Check, and list the places of each kind of finding."""
    result = singleshot.check_dataset(path, progress=False, **options)
    return {one.kind: [place.place for place in one.findings] for one in result.kinds}


def test_a_clean_data_set_has_no_finding(planted):
    assert found(planted.write_voc()) == {}
    assert found(planted.write_coco(planted.coco())) == {}


FOLLOWING = {
    "file": {"not-annotated", "entry"},  # its image, and the split that lists it
}


@pytest.mark.parametrize("name", PLANTERS)
def test_a_planted_fault_is_found_at_its_place(planted, name):
    path, kind, places = PLANTERS[name](planted)
    findings = found(path)
    assert findings.pop(kind) == places
    # What follows from the error, and is true as well.
    assert set(findings) <= FOLLOWING.get(kind, set()), findings


def test_every_kind_of_finding_is_explained():
    assert set(EXPLANATIONS) == set(KINDS)
    assert all(one.consequence for one in EXPLANATIONS.values())


def test_an_annotation_file_is_checked_without_its_images(planted):
    content = planted.coco()
    content["annotations"].append({**content["annotations"][0], "id": 900})
    file = planted.write_coco(content).rename(planted.folder / "labels.json")
    shutil.rmtree(planted.folder / "JPEGImages")
    result = singleshot.check_dataset(file, progress=False)
    assert [one.kind for one in result.kinds] == ["annotated-twice"]
    [line] = result.skipped
    assert "found no images of labels.json" in line
    assert "not checked" in line


def test_a_folder_without_its_images_cannot_be_trained_on(planted):
    planted.write_voc()
    shutil.rmtree(planted.folder / "JPEGImages")
    result = singleshot.check_dataset(planted.folder, progress=False)
    assert result.spoils_training
    assert [one.kind for one in result.kinds] == ["no-images"]


def test_one_split_is_checked_alone(planted):
    planted.objects["04"].append(("cat", (20, 20, 20, 30), 0))
    planted.splits["val"].append("04")
    folder = planted.write_voc()
    assert list(found(folder, split="test")) == ["rare-class"]
    assert found(folder, split="val")["without-area"] == ["04 object 3"]
    assert "shared-by-splits" in found(folder)


def test_a_split_made_of_others_does_not_overlap_with_them(planted):
    planted.splits["trainval"] = planted.splits["train"] + planted.splits["val"]
    assert found(planted.write_voc()) == {}


def test_without_decoding_copies_are_not_looked_for(planted):
    shutil.copy(planted.image("03"), planted.image("05"))
    result = singleshot.check_dataset(planted.write_voc(), quick=True, progress=False)
    assert result.kinds == ()
    assert "duplicates" in result.skipped[0]


class FromMemory:
    """A detector that finds what is annotated, but for a dog on an image that it takes for a cat,
    and finds a cat where none is annotated.
    """

    class_names = ("cat", "dog")

    def __init__(self, objects):
        self.objects = objects
        self.number = 0

    def detect(self, images):
        return [self.detect_one() for _ in images]

    def detect_one(self):
        boxes = [[x1 - 1, y1 - 1, x2, y2] for _, (x1, y1, x2, y2), _ in self.objects[self.number]]
        labels = [0, 0 if self.number == 7 else 1]
        if self.number == 9:
            boxes, labels = [*boxes, [2.0, 35.0, 20.0, 47.0]], [*labels, 0]
        self.number += 1
        scores = torch.full((len(labels),), 0.9)
        return Detections(torch.tensor(boxes, dtype=torch.float32), scores, torch.tensor(labels))


def test_a_trained_model_shows_labels_that_look_wrong(planted, monkeypatch):
    detector = FromMemory(list(planted.objects.values()))
    monkeypatch.setattr(labels, "as_detector", lambda *_: detector)
    monkeypatch.setattr(labels, "training_splits", lambda *_: None)
    findings = found(planted.write_voc(), model="runs/pets")
    assert findings == {
        "suspected-class": ["07.jpg: cat at (29, 7, 50, 27)"],
        "suspected-missing": ["09.jpg: cat at (2, 35, 20, 47)"],
    }


def test_bccd_has_two_boxes_without_area(shared):
    findings = found(shared / "data/bccd", quick=True)
    assert findings == {"without-area": ["BloodImage_00338 object 13", "BloodImage_00343 object 4"]}


def test_kangaroo_has_an_image_cut_short_and_a_copy_across_splits(shared):
    findings = found(shared / "data/kangaroo")
    assert findings["truncated-image"] == ["JPEGImages/00090.jpg"]
    assert findings["copy-across-splits"] == ["00007.jpg (train) = 00033.jpg (val)"]


def test_plates_has_a_box_beyond_the_edge(shared):
    assert found(shared / "data/plates", quick=True) == {"clipped": ["br_0100 object 1"]}


def test_the_command_exits_with_1_for_a_fault_alone(planted):
    planted.objects["04"].append(("cat", (20, 20, 20, 30), 0))
    folder = str(planted.write_voc())
    outcome = singleshot_command("data", "check", folder)
    assert outcome.exit_code == 0
    assert "change  1 box without area" in outcome.stdout
    assert "        - 04 object 3" in outcome.stdout
    assert outcome.stdout.endswith(
        "no errors, 1 change, 0 notes: nothing stops or spoils a training\n"
    )
    planted.image("04").unlink()
    outcome = singleshot_command("data", "check", folder, "--json")
    assert outcome.exit_code == 1
    document = json.loads(outcome.stdout)
    assert (document["images"], document["objects"], document["spoils_training"]) == (23, 46, True)
    [finding] = document["findings"]
    assert (finding["kind"], finding["severity"], finding["count"]) == ("missing-image", "error", 1)
    assert finding["places"][0]["place"] == "Annotations/04.xml"
