from __future__ import annotations

from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st

from singleshot.data.dataset import DataSet
from singleshot.data.formats import voc
from singleshot.data.splits import stratified_split
from singleshot.structures import Truth


def dataset_of(labels: list[list[int]], names: list[str] | None = None) -> DataSet:
    names = names or [f"{index:04}" for index in range(len(labels))]
    truths = [Truth.of(torch.ones(len(found), 4), torch.tensor(found).long()) for found in labels]
    images = [(Path(name), truth) for name, truth in zip(names, truths, strict=True)]
    return DataSet.of("abcdef", images, description="made up")


def classes(dataset: DataSet, indices: list[int]) -> set[int]:
    return {label for index in indices for label in dataset.truth(index).labels.tolist()}


@given(
    st.lists(st.lists(st.integers(0, 5), max_size=4), max_size=30),
    st.floats(0.05, 0.5),
    st.integers(0, 9),
)
def test_every_image_is_on_one_side(labels, fraction, seed):
    kept, aside = stratified_split(dataset_of(labels), fraction, seed=seed)
    assert sorted(kept + aside) == list(range(len(labels)))
    assert len(kept) >= len(aside) or len(labels) < 12


@given(st.lists(st.integers(0, 5), min_size=2, max_size=60), st.integers(0, 9))
def test_a_class_in_two_images_or_more_is_on_both_sides(labels, seed):
    dataset = dataset_of([[label] for label in labels])
    kept, aside = stratified_split(dataset, 0.1, seed=seed)
    often = {label for label in labels if labels.count(label) > 1}
    assert classes(dataset, aside) == often
    assert classes(dataset, kept) == set(labels)


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
    dataset = voc.FORMAT.read(shared / "data/voc2012_100")
    kept, aside = stratified_split(dataset, 0.1, seed=0)
    assert classes(dataset, kept) == classes(dataset, aside) == set(range(20))
    assert len(aside) <= 20
