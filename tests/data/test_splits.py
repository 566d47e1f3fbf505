from __future__ import annotations

import math
from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st

from singleshot.data.dataset import DataSet
from singleshot.data.opening import read_dataset
from singleshot.data.splits import evaluation_split, stratified_split, training_split
from singleshot.structures import Truth

CAT = ("cat", (1, 1, 10, 10))


def dataset_of(labels: list[list[int]], names: list[str] | None = None) -> DataSet:
    names = names or [f"{index:04}" for index in range(len(labels))]
    truths = [Truth.of(torch.ones(len(found), 4), torch.tensor(found).long()) for found in labels]
    images = [(Path(name), truth) for name, truth in zip(names, truths, strict=True)]
    return DataSet.of("abcdef", images, description="made up")


def classes(dataset: DataSet, indices: list[int]) -> set[int]:
    return {label for index in indices for label in dataset.truth(index).labels.tolist()}


@given(
    st.lists(st.lists(st.integers(0, 5), max_size=4), max_size=30),
    st.floats(0.05, 0.4),
    st.integers(0, 9),
)
def test_every_image_is_on_one_side(labels, fraction, seed):
    kept, aside = stratified_split(dataset_of(labels), fraction, seed=seed)
    assert sorted(kept + aside) == list(range(len(labels)))
    assert len(kept) >= len(aside) or len(labels) < 12


@given(st.lists(st.integers(0, 5), min_size=2, max_size=60), st.integers(0, 9))
def test_a_class_in_two_images_or_more_is_on_both_sides_where_little_more_than_a_tenth_takes_it(
    labels, seed
):
    dataset = dataset_of([[label] for label in labels])
    kept, aside = stratified_split(dataset, 0.1, seed=seed)
    often = {label for label in labels if labels.count(label) > 1}
    tenth = max(round(0.1 * len(labels)), 1)
    assert classes(dataset, kept) == set(labels)
    if len(often) > math.ceil(1.5 * tenth):
        assert len(aside) == tenth == len(classes(dataset, aside))
    else:
        assert classes(dataset, aside) == often


def test_of_many_rare_classes_a_tenth_has_as_many_as_it_can():
    pairs = [[2 * number, 2 * number + 1] for number in range(3)]  # of the classes a to f
    dataset = dataset_of([[label] for label in range(6)] + pairs)
    kept, aside = stratified_split(dataset, 0.1, seed=0)
    assert (len(kept), len(aside)) == (8, 1)
    assert len(classes(dataset, aside)) == 2


def test_a_tenth_of_each_class_and_of_the_empty_images_is_set_aside():
    dataset = dataset_of([[0, 1]] * 200 + [[0]] * 100 + [[2]] * 40 + [[]] * 20)
    _, aside = stratified_split(dataset, 0.1, seed=0)
    assert len(aside) == 36
    assert sum(index < 200 for index in aside) == 20
    assert sum(index >= 340 for index in aside) == 2


def test_the_split_follows_from_seed_and_names_and_not_from_the_order_of_files():
    labels = [[index % 3] for index in range(60)]
    forwards = dataset_of(labels)
    backwards = dataset_of(labels[::-1], [f"{index:04}" for index in reversed(range(60))])
    first = stratified_split(forwards, 0.1, seed=1).aside
    assert first == stratified_split(forwards, 0.1, seed=1).aside
    assert first != stratified_split(forwards, 0.1, seed=2).aside
    second = stratified_split(backwards, 0.1, seed=1).aside
    assert {forwards.paths[i] for i in first} == {backwards.paths[i] for i in second}


def test_real_classes_are_each_on_both_sides(shared):
    dataset = read_dataset(shared / "data/voc2012_100")
    kept, aside = stratified_split(dataset, 0.1, seed=0)
    assert classes(dataset, kept) == classes(dataset, aside) == set(range(20))
    assert len(aside) <= 20


def without(folder, *splits):
    for split in splits:
        (folder / "ImageSets/Main" / f"{split}.txt").unlink()
    return folder


def test_training_takes_train_and_validates_on_val(voc_folder):
    train, validation, messages, _ = training_split([voc_folder], None, None, 0)
    assert (len(train), len(validation)) == (8, 2)
    assert messages[0].startswith("training on 8 images (VOC layout, split train")
    assert messages[1].startswith("validating on 2 images (VOC layout, split val")


def test_val_inside_trainval_is_not_validated_on(voc_folder):
    train, validation, messages, _ = training_split([voc_folder], "trainval", None, 0)
    assert len(train) + len(validation) == 10
    assert not set(train.paths) & set(validation.paths)
    assert "stratified tenth" in messages[0]
    assert "seed 0" in messages[0]


def test_without_train_comes_trainval_and_without_that_everything(voc_folder):
    assert len(training_split([without(voc_folder, "train")], None, "none", 0).train) == 10
    assert len(training_split([without(voc_folder, "trainval")], None, "none", 0).train) == 12


def test_no_validation_with_none(voc_folder):
    train, validation, messages, _ = training_split([voc_folder], "trainval", "none", 0)
    assert (len(train), validation) == (10, None)
    assert messages[0].endswith("without validation")


def test_validating_on_what_x(voc_folder):
    messages = training_split([voc_folder], "trainval", "val", 0).messages
    assert messages[2].startswith("2 of the validation images are also in the training split")


def test_a_single_image_is_not_set_aside(add_voc, tmp_path):
    add_voc("a", CAT)
    train, validation, messages, _ = training_split([tmp_path], None, None, 0)
    assert (len(train), validation) == (1, None)
    assert "too few" in messages[0]


def test_what_the_reader_drops_is_reported_once(add_voc, tmp_path):
    for stem in "abcd":
        add_voc(stem, CAT, ("cat", (5, 5, 5, 5)))
    train, validation, *_ = training_split([tmp_path], None, None, 0)
    assert train.notes == (
        "dropped 4 boxes without area: a object 2, b object 2, c object 2 and 1 more",
    )
    assert validation.notes == ()


def test_evaluation_takes_test_then_val_then_everything(voc_folder):
    dataset, messages = evaluation_split([voc_folder], None)
    assert len(dataset) == 2
    assert messages[0].startswith("evaluating on 2 images (VOC layout, split test")
    without(voc_folder, "test")
    assert "split val " in evaluation_split([voc_folder], None).messages[0]
    without(voc_folder, "val")
    assert len(evaluation_split([voc_folder], None).dataset) == 12
    assert len(evaluation_split([voc_folder], "train").dataset) == 8


def test_the_year_of_coco_may_be_left_out(shared):
    train, validation, *_ = training_split([shared / "data/tiny_coco"], None, None, 0)
    assert (len(train), len(validation)) == (50, 50)
    assert train.class_names == validation.class_names


def test_several_data_sets_are_joined_by_class_name(voc_folder, shared):
    paths = [voc_folder, shared / "data/bccd"]
    train, validation, messages, _ = training_split(paths, None, None, 0)
    assert train.class_names == ("cat", "dog", "Platelets", "RBC", "WBC")
    assert validation.class_names == train.class_names
    assert (len(train), len(validation)) == (8 + 205, 2 + 87)
    assert len(messages) == 4
    assert len(evaluation_split(paths, None).dataset) == 2 + 72
