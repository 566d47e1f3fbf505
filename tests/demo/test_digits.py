from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch

from singleshot.data.formats import voc
from singleshot.data.opening import read_dataset

DEMO = Path(__file__).resolve().parents[2] / "demo"
FEW = {"train": 12, "val": 3, "test": 4}


@pytest.fixture(scope="module")
def digits() -> ModuleType:
    pytest.importorskip("sklearn", reason="the demo draws scikit-learn's digits")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DEMO)
        return importlib.import_module("digits")


@pytest.fixture(scope="module")
def built(digits, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    digits.build(folder, seed=0, num_images=FEW)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_one_seed_builds_the_same_files(digits, built, tmp_path):
    digits.build(tmp_path / "again", seed=0, num_images=FEW)
    assert files(tmp_path / "again") == files(built)
    digits.build(tmp_path / "other", seed=1, num_images=FEW)
    assert files(tmp_path / "other") != files(built)


def test_splits_have_their_images_and_classes(built):
    assert voc.FORMAT.splits(built) == ("test", "train", "trainval", "val")
    assert [len(read_dataset(built, split)) for split in (*FEW, "trainval")] == [12, 3, 4, 15]
    assert set(read_dataset(built).class_names) <= set("0123456789")


def test_boxes_lie_inside_and_every_digit_can_be_read(built):
    dataset = read_dataset(built)
    sides = dataset.truths.boxes[:, 2:] - dataset.truths.boxes[:, :2]
    assert dataset.notes == ()
    assert sides.min() >= 5
    assert sides[:, 1].min() >= 20
    assert sides.max() <= 130


def test_no_scanned_digit_is_in_two_splits(digits):
    specimens = digits.specimens_of_splits(seed=0, digits="0123456789")
    assert sum(len(split.labels) for split in specimens.values()) == 1797
    scans = [{scan.tobytes() for scan in split.scans} for split in specimens.values()]
    assert not scans[0] & scans[2]
    assert not scans[1] & scans[2]
    assert all(len(set(split.labels.tolist())) == 10 for split in specimens.values())


def test_a_box_is_the_frame_of_the_ink(digits):
    mask = torch.zeros(5, 6, dtype=torch.bool)
    mask[1:3, 2:5] = True
    assert digits.frame(mask.numpy()) == (2, 1, 5, 3)


def test_the_readme_describes_the_images(built):
    text = (built / "README.md").read_text()
    assert "with seed 0" in text
    assert "do not mistake it for a benchmark" in text
