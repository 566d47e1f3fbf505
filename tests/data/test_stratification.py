from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from singleshot.data.dataset import DataSet
from singleshot.data.opening import read_dataset
from singleshot.data.stratification import (
    classes_of_images,
    stratified_parts,
    stratified_split,
    stratified_subset,
)
from singleshot.errors import DataError
from singleshot.structures import Truth

THREE = {"train": 0.8, "val": 0.1, "test": 0.1}


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


IMAGES = st.lists(st.lists(st.integers(0, 5), max_size=4), min_size=1, max_size=40)


@given(IMAGES, st.data())
def test_each_image_is_in_one_part_with_its_group_and_no_part_is_empty(labels, data):
    groups = np.array(
        data.draw(st.lists(st.integers(0, 12), min_size=len(labels), max_size=len(labels)))
    )
    dataset = dataset_of(labels)
    if len(np.unique(groups)) < 3:
        with pytest.raises(DataError, match="cannot be split into 3 parts"):
            stratified_parts(dataset, THREE, seed=0, groups=groups)
        return
    parts = stratified_parts(dataset, THREE, seed=0, groups=groups)
    assert list(parts) == list(THREE)
    assert sorted(index for part in parts.values() for index in part) == list(range(len(labels)))
    of_part = [set(groups[part].tolist()) for part in parts.values()]
    assert all(of_part)
    assert not of_part[0] & of_part[1] | of_part[0] & of_part[2] | of_part[1] & of_part[2]


@given(st.lists(st.integers(0, 3), min_size=60, max_size=120), st.integers(0, 9))
def test_a_class_of_enough_images_is_in_every_part(labels, seed):
    dataset = dataset_of([[label] for label in labels])
    parts = stratified_parts(dataset, THREE, seed=seed)
    often = {label for label in labels if labels.count(label) >= 3}
    for part in parts.values():
        assert often <= classes(dataset, part)


def test_many_rare_classes_do_not_swell_a_part():
    dataset = dataset_of([[label % 6] for label in range(18)] + [[0, 1]] * 2)
    parts = stratified_parts(dataset, {"train": 0.9, "val": 0.05, "test": 0.05}, seed=0)
    assert [len(part) for part in parts.values()] == [18, 1, 1]


def test_exact_shares_where_they_are_possible():
    dataset = dataset_of([[0, 1]] * 200 + [[0]] * 100 + [[2]] * 40 + [[]] * 20)
    parts = stratified_parts(dataset, THREE, seed=0)
    assert [len(part) for part in parts.values()] == [288, 36, 36]
    of_class = classes_of_images(dataset)
    assert [of_class[part][:, 2].sum() for part in parts.values()] == [32, 4, 4]


def test_the_parts_follow_from_seed_and_names_and_not_from_the_order_of_files():
    labels = [[index % 3, index % 5] for index in range(60)]
    groups = np.arange(60) // 4
    forwards = dataset_of(labels)
    backwards = dataset_of(labels[::-1], [f"{index:04}" for index in reversed(range(60))])
    first = stratified_parts(forwards, THREE, seed=1, groups=groups)
    assert first == stratified_parts(forwards, THREE, seed=1, groups=groups + 100)
    assert first != stratified_parts(forwards, THREE, seed=2, groups=groups)
    second = stratified_parts(backwards, THREE, seed=1, groups=groups[::-1])
    for name in THREE:
        names = [
            set(dataset.paths[part[name]])
            for dataset, part in ((forwards, first), (backwards, second))
        ]
        assert names[0] == names[1]


def imbalance(dataset: DataSet, parts: list[list[int]]) -> float:
    """Mean distance between the share of a class in a part and in the whole."""
    holds = classes_of_images(dataset)
    return float(
        np.mean([abs(holds[part].mean(axis=0) - holds.mean(axis=0)).mean() for part in parts])
    )


def test_real_parts_are_closer_to_the_whole_than_random_ones(shared):
    dataset = read_dataset(shared / "data/voc2012_100")
    fractions = {"train": 0.6, "val": 0.2, "test": 0.2}
    ours = [
        imbalance(dataset, list(stratified_parts(dataset, fractions, seed=seed).values()))
        for seed in range(5)
    ]
    random = []
    for seed in range(50):
        order = np.random.default_rng(seed).permutation(100)
        random.append(imbalance(dataset, np.split(order, [60, 80])))
    assert max(ours) < 0.6 * min(random)


@given(IMAGES, st.data())
def test_a_subset_has_the_number_of_images(labels, data):
    number = data.draw(st.integers(1, len(labels)))
    chosen = stratified_subset(dataset_of(labels), number, seed=0)
    assert len(set(chosen)) == number
    assert chosen == sorted(chosen)


def test_a_subset_has_every_class_that_has_room():
    dataset = dataset_of([[0]] * 95 + [[label] for label in range(1, 6)])
    assert classes(dataset, stratified_subset(dataset, 10, seed=0)) == set(range(6))


def test_a_subset_larger_than_the_data_set_is_refused():
    with pytest.raises(DataError, match="has 3 images, fewer than the 4"):
        stratified_subset(dataset_of([[0]] * 3), 4, seed=0)
