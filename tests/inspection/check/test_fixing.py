"""The fixed copy has no errors, keeps what was right, and logs what was changed."""

# Tests singleshot/inspection/check/copy_files.py
# Tests singleshot/inspection/check/options.py

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest
from PIL import Image
from planters import PLANTERS

import singleshot
from singleshot.data.opening import open_dataset, splits_of
from singleshot.errors import DataError, SingleshotError, StorageError
from singleshot.inspection.check import copy_files

UNCLEAR = {"boxes_as_fractions"}  # --normalized or not: the user has to choose
# What the copy still has: nobody but the user can fix it.
LEFT = {
    "a_box_two_pixels_wide": "tiny",
    "a_box_that_vanishes_in_the_resized_image": "tiny",
    "an_object_annotated_as_two_classes": "two-classes",
    "a_box_around_the_whole_image": "whole-image",
    "a_class_without_objects": "unused-class",
    "a_class_with_one_object": "rare-class",
    "a_gap_in_the_category_ids": "id-gap",
    "an_image_saved_again": "alike",
    "an_image_saved_again_in_another_split": "alike-across-splits",
    "an_image_in_no_split": "in-no-split",
    "an_image_without_objects": "empty-image",
    "an_image_with_difficult_objects_alone": "difficult-only",
    "an_image_of_another_shape": "odd-size",
    "a_grey_image": "grey-image",
    "a_cmyk_image": "cmyk-image",
    "an_image_turned_by_exif": "turned-by-exif",
    "boxes_drawn_before_exif_orientation": "turned-by-exif",
}


def fix(path, out, **options):
    return singleshot.check_dataset(path, fix=out, progress=False, **options).fixed


def log_of(out) -> list[dict[str, str]]:
    with (out / "fixes.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def content_of(folder) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", sorted(PLANTERS.keys() - UNCLEAR))
def test_the_copy_has_no_errors_and_the_original_is_untouched(planted, tmp_path, name):
    path, kind, _ = PLANTERS[name](planted)
    before = content_of(planted.folder)
    fixed = fix(path, tmp_path / "out")
    assert content_of(planted.folder) == before
    result = singleshot.check_dataset(tmp_path / "out", progress=False)
    assert {one.kind for one in result.kinds} == ({LEFT[name]} if name in LEFT else set())
    assert (result.images, result.objects) == (fixed.images, fixed.objects)
    kinds = {one["kind"] for one in log_of(tmp_path / "out")}
    logged = name not in LEFT or kind == "turned"
    logged = logged and kind != "not-annotated"  # it is only not copied
    assert kinds - {"entry"} == ({kind} - {"entry"} if logged else set())
    assert bool(kinds) == logged


def test_a_clean_data_set_is_copied_as_it_is(planted, tmp_path):
    fixed = fix(planted.write_voc(), tmp_path / "out")
    assert (fixed.images, fixed.objects, fixed.changes, fixed.not_fixed) == (24, 48, 0, ())
    old, new = open_dataset(planted.folder), open_dataset(tmp_path / "out")
    assert new.truths.boxes.tolist() == old.truths.boxes.tolist()
    assert splits_of(tmp_path / "out") == splits_of(planted.folder)
    assert (tmp_path / "out/JPEGImages/04.jpg").read_bytes() == planted.image("04").read_bytes()


def test_of_copies_that_to_test_on_stays(planted, tmp_path):
    for stem in ("05", "21"):
        shutil.copy(planted.image("03"), planted.image(stem))
    fix(planted.write_voc(), tmp_path / "out")
    lists = tmp_path / "out/ImageSets/Main"
    assert "21" in (lists / "test.txt").read_text().split()
    assert not {"03", "05"} & set((lists / "train.txt").read_text().split())
    log = log_of(tmp_path / "out")
    assert [one["done"] for one in log] == ["left out, 21.jpg kept"] * 2
    assert [one["image"][-6:] for one in log] == ["03.jpg", "05.jpg"]


def test_an_image_in_two_splits_stays_in_the_one_to_evaluate_on(planted, tmp_path):
    planted.splits["test"].append("04")
    planted.splits["trainval"] = planted.splits["train"] + planted.splits["val"]
    fix(planted.write_voc(), tmp_path / "out")
    lists = {
        name: (tmp_path / f"out/ImageSets/Main/{name}.txt").read_text().split()
        for name in ("train", "trainval", "test")
    }
    assert "04" in lists["test"]
    assert "04" not in lists["train"] + lists["trainval"]
    assert len(lists["trainval"]) == 19


def test_classes_are_joined_under_the_more_frequent_name_or_kept(planted, tmp_path):
    for stem in ("00", "01"):
        planted.objects[stem][0] = ("Cat", *planted.objects[stem][0][1:])
    folder = planted.write_voc()
    fixed = fix(folder, tmp_path / "out")
    assert open_dataset(tmp_path / "out").class_names == ("cat", "dog")
    [line] = log_of(tmp_path / "out")
    columns = (line["place"], line["detail"], line["done"])
    assert columns == ("'Cat'", "2 objects", "renamed to 'cat'")
    assert "1 pair of classes that differ by case or spaces alone" not in fixed.not_fixed
    kept = fix(folder, tmp_path / "kept", keep_classes=True)
    assert open_dataset(tmp_path / "kept").class_names == ("Cat", "cat", "dog")
    assert "1 pair of classes that differ by case or spaces alone" in kept.not_fixed


def test_a_truncated_image_is_saved_whole_with_the_same_pixels(planted, tmp_path):
    content = planted.image("03").read_bytes()
    planted.image("03").write_bytes(content[:-2])
    fix(planted.write_voc(), tmp_path / "out")
    with Image.open(tmp_path / "out/JPEGImages/03.jpg") as image:
        saved = np.asarray(image, dtype=float)
    planted.image("03").write_bytes(content)
    with Image.open(planted.image("03")) as image:
        original = np.asarray(image, dtype=float)
    assert np.abs(saved - original).mean() < 4  # grey levels


def test_images_of_one_name_in_several_folders_get_names_of_their_own(planted, tmp_path):
    folder = planted.write_voc()
    for name in ("Annotations", "JPEGImages"):
        (folder / name / "cam2").mkdir()
        [source] = (folder / name).glob("04.*")
        shutil.copy(source, folder / name / "cam2")
    assert fix(folder, tmp_path / "out", quick=True).images == 25
    assert (tmp_path / "out/JPEGImages/cam2_04.jpg").is_file()


def test_boxes_of_resized_images_are_scaled_on_request(planted, tmp_path):
    planted.draw("04", (96, 128))
    planted.sizes["04"] = (48, 64)
    fix(planted.write_voc(), tmp_path / "out", rescale_boxes=True)
    dataset = open_dataset(tmp_path / "out")
    index = [str(path).endswith("04.jpg") for path in dataset.paths].index(True)
    assert dataset.truth(index).boxes[0].tolist() == [8, 4, 40, 40]
    assert log_of(tmp_path / "out")[0]["done"] == "boxes scaled to the image"


def test_what_is_not_clear_is_not_fixed(planted, tmp_path):
    path, _, _ = PLANTERS["boxes_as_fractions"](planted)
    with pytest.raises(DataError, match=r"nothing is written: .*--normalized"):
        fix(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    fix(path, tmp_path / "out", normalized=True)
    assert not singleshot.check_dataset(tmp_path / "out", progress=False).kinds


def test_a_copy_is_written_whole_or_not_at_all(planted, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(copy_files, "_write_log", fail)
    with pytest.raises(StorageError, match="No space left"):
        fix(planted.write_voc(), tmp_path / "new/out")
    assert list((tmp_path / "new").iterdir()) == []


def test_only_a_new_or_empty_folder_is_written_to(planted, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes.txt").touch()
    with pytest.raises(SingleshotError, match=r"is not empty: there is notes\.txt; choose"):
        fix(planted.write_voc(), tmp_path / "out")
    (tmp_path / "out/notes.txt").unlink()
    assert fix(planted.write_voc(), tmp_path / "out").images == 24


def test_a_folder_inside_the_data_set_is_refused(planted):
    folder = planted.write_voc()
    with pytest.raises(SingleshotError, match="lies inside the data set"):
        fix(folder, folder / "out")


def test_the_kangaroos_are_fixed(shared, tmp_path):
    fixed = fix(shared / "data/kangaroo", tmp_path / "out")
    assert (fixed.images, fixed.objects) == (163, 264)
    assert singleshot.check_dataset(tmp_path / "out", progress=False).kinds == ()
