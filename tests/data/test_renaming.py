"""Classes renamed, joined and left out as they are read."""

from __future__ import annotations

import pytest

from singleshot.data.converting import convert_dataset
from singleshot.data.opening import open_dataset
from singleshot.data.reading import ReadingOptions, parse_pairs
from singleshot.data.splits import TrainingData, training_split
from singleshot.errors import SingleshotError
from singleshot.runs.folder import RunFolder
from singleshot.training.build import TrainingSetup

CAT, DOG, OWL = (("cat", (1, 1, 9, 9)), ("dog", (2, 2, 9, 9)), ("owl", (3, 3, 9, 9)))


@pytest.fixture
def animals(add_voc, tmp_path):
    """Three images: a cat and a dog, an owl, an owl and two cats."""
    for name, objects in {"a": [CAT, DOG], "b": [OWL], "c": [OWL, CAT, CAT]}.items():
        add_voc(name, *objects)
    return tmp_path


def test_a_class_gets_another_name(animals):
    before, after = open_dataset(animals), open_dataset(animals, rename_class=["cat=person"])
    assert before.class_names == ("cat", "dog", "owl")
    assert after.class_names == ("person", "dog", "owl")
    assert after.truths.labels.tolist() == before.truths.labels.tolist()
    assert after.category_ids == before.category_ids
    assert any("renamed 1 class: cat to person (3)" in note for note in after.notes)


def test_classes_of_one_name_are_joined_and_keep_the_id_of_that_name(animals):
    dataset = open_dataset(animals, rename_class={"cat": "dog", "owl": "bird"})
    assert dataset.class_names == ("dog", "bird")
    assert dataset.truths.labels.tolist() == [0, 0, 1, 1, 0, 0]
    assert dataset.category_ids == (2, 3)


def test_names_may_be_exchanged(animals):
    dataset = open_dataset(animals, rename_class=["cat=dog", "dog=cat"])
    assert dataset.class_names == ("dog", "cat", "owl")
    assert dataset.truths.labels.tolist() == [0, 1, 2, 2, 0, 0]
    assert dataset.category_ids == (1, 2, 3)


@pytest.mark.parametrize(
    ("pairs", "names", "ids"),
    [
        (["cat=dog", "dog=bird"], ("dog", "bird", "owl"), (1, 2, 3)),
        (["dog=", "cat=dog"], ("dog", "owl"), (1, 3)),
        (["cat=pet", "dog=pet"], ("pet", "owl"), (1, 3)),
        (["dog=cat"], ("cat", "owl"), (1, 3)),
        (["owl=cat"], ("cat", "dog"), (1, 2)),
    ],
)
def test_each_class_has_an_id_of_its_own(animals, pairs, names, ids):
    dataset = open_dataset(animals, rename_class=pairs)
    assert (dataset.class_names, dataset.category_ids) == (names, ids)


def test_what_is_left_out_leaves_its_image(animals):
    dataset = open_dataset(animals, rename_class=["owl="])
    assert dataset.class_names == ("cat", "dog")
    assert dataset.ends.tolist() == [2, 2, 4]
    assert dataset.truth(2).boxes.tolist() == [[0, 0, 9, 9], [0, 0, 9, 9]]
    assert any("left out 1 class: owl (2)" in note for note in dataset.notes)


def test_a_name_that_is_nowhere_is_noted(animals):
    notes = open_dataset(animals, rename_class=["cta=person"]).notes
    assert any("1 name of --rename-class that are no class" in one for one in notes)
    assert any("cta=person: classes are cat, dog, owl" in one for one in notes)
    # One of several data sets may have the new name already; it may be a slip as well.
    notes = open_dataset(animals, rename_class=["kitten=cat"]).notes
    assert any("kitten=cat: classes are cat, dog, owl" in one for one in notes)


def test_each_split_has_classes_of_its_own(add_voc, tmp_path):
    # As Roboflow exports VOC: the classes of a folder are those of its objects.
    data = tmp_path / "data"
    for folder, objects in {"train": [CAT, DOG], "valid": [DOG], "test": [CAT]}.items():
        add_voc(folder, *objects, folder=data / folder)
    reading = ReadingOptions(rename_class=["cat=", "dog=hound"])
    split = training_split([data], None, None, 0, reading)
    assert split.train.class_names == split.validation.class_names == ("hound",)
    converted = convert_dataset(data, tmp_path / "to", to="coco", rename_class=["cat="])
    assert converted.num_objects == 2
    assert open_dataset(tmp_path / "to").class_names == ("dog",)


def test_a_run_of_classes_joined_in_another_way_is_another(animals, tmp_path):
    found = set()
    for pairs in (["owl=cat"], ["owl=dog"]):
        train = open_dataset(animals, rename_class=pairs)
        assert train.class_names == ("cat", "dog")
        record = {"rename_class": pairs}
        setup = TrainingSetup(TrainingData(train, None, ()), RunFolder(tmp_path), record=record)
        found.add(setup.fingerprint)
    assert len(found) == 2


def test_a_training_split_is_renamed_and_so_is_what_it_validates_on(animals):
    reading = ReadingOptions(rename_class=["cat=person", "owl="])
    data = training_split([animals], None, None, 0, reading)
    assert data.train.class_names == data.validation.class_names == ("person", "dog")


@pytest.mark.parametrize("text", ["cat", "=dog", " = "])
def test_what_is_no_pair_is_refused(text):
    with pytest.raises(SingleshotError, match=r"--rename-class .*expected two names"):
        parse_pairs("--rename-class", [text])


def test_a_class_has_one_new_name():
    assert parse_pairs("--rename-class", ["a=b", "a = b", "c="]) == {"a": "b", "c": ""}
    with pytest.raises(SingleshotError, match="--rename-class a=c: there is a=b as well"):
        parse_pairs("--rename-class", ["a=b", "a=c"])
