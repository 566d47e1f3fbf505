from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from singleshot.data import shuffling
from singleshot.data.augment.pipeline import Augmentation
from singleshot.data.augment.settings import AugmentationSettings
from singleshot.data.batching import AugmentedImages, Draw, Order, training_batches
from singleshot.data.dataset import DataSet
from singleshot.data.image_files.paths import ImagePaths
from singleshot.data.opening import open_dataset
from singleshot.data.repeats import Repeats, describe_repeats
from singleshot.data.shuffling import ShardWindow
from singleshot.structures import Sample, Truth

# 20 images with class a, of which one has b, too, and two empty ones.
LABELS = [[0], [0, 0]] * 9 + [[0], [0, 1]] + [[], []]


def dataset_of(labels: list[list[int]]) -> DataSet:
    truths = [Truth.of(torch.ones(len(own), 4), torch.tensor(own).long()) for own in labels]
    images = [(Path(f"{number:04}"), truth) for number, truth in enumerate(truths)]
    return DataSet.of("abcdef", images, description="made up")


def repeats_of(dataset: DataSet, threshold: float = 1.0, seed: int = 3) -> Repeats:
    found = Repeats.of(dataset, threshold, seed)
    assert found is not None
    return found


def published_factors(labels: list[list[int]], threshold: float) -> list[float]:
    """Appendix B of the LVIS paper, step by step."""
    frequency: dict[int, float] = defaultdict(float)
    for own in labels:
        for category in set(own):
            frequency[category] += 1 / len(labels)
    category_factor = {c: max(1.0, math.sqrt(threshold / f)) for c, f in frequency.items()}
    return [max((category_factor[c] for c in set(own)), default=1.0) for own in labels]


@given(
    st.lists(st.lists(st.integers(0, 5), max_size=4), min_size=1, max_size=30),
    st.floats(0.01, 1.0),
)
def test_factors_are_those_of_the_paper(labels, threshold):
    expected = np.array(published_factors(labels, threshold))
    found = Repeats.of(dataset_of(labels), threshold, seed=0)
    factors = np.ones(len(labels)) if found is None else found.factors
    np.testing.assert_allclose(factors, expected, rtol=1e-6)


def test_an_image_comes_as_often_as_its_factor_rounded_at_random():
    repeats = repeats_of(dataset_of(LABELS), threshold=0.8)
    factor = math.sqrt(0.8 / (1 / 22))
    assert repeats.factors.tolist() == pytest.approx([1.0] * 19 + [factor] + [1.0] * 2)
    counts = np.stack([repeats.counts(number) for number in range(3000)])
    assert (np.delete(counts, 19, axis=1) == 1).all()
    assert set(counts[:, 19]) == {4, 5}
    assert counts[:, 19].mean() == pytest.approx(factor, abs=4 * 0.5 / math.sqrt(3000))


def test_rounds_follow_each_other_and_an_epoch_is_as_long_as_ever():
    repeats = repeats_of(dataset_of(LABELS))
    draws = [draw for batch in Order(22, 4, 40, seed=3, repeats=repeats) for draw in batch]
    assert len(draws) == 160
    rounds = [draw.epoch for draw in draws]
    assert rounds == sorted(rounds)
    for number in range(max(rounds)):
        own = Counter(draw.index for draw in draws if draw.epoch == number)
        assert [own[index] for index in range(22)] == repeats.counts(number).tolist()
    # No two draws of a training are the same: each copy is varied in its own way.
    assert len(set(draws)) == len(draws)


def test_draws_depend_on_the_seed_alone():
    def draws(seed):
        return list(Order(22, 4, 40, seed=seed, repeats=repeats_of(dataset_of(LABELS), seed=seed)))

    assert draws(3) == draws(3) != draws(4)


@pytest.mark.parametrize("num_shares", [2, 3])
@pytest.mark.parametrize("in_shards", [False, True])
def test_processes_draw_the_same_as_one_and_resume_at_the_very_sample(
    monkeypatch, num_shares, in_shards
):
    window = shard_window(monkeypatch) if in_shards else None
    dataset = dataset_of([[0]] * 390 + [[0, 1]] * 10)

    def order(**more):
        repeats = repeats_of(dataset)
        return Order(400, 7, 300, seed=3, window=window, repeats=repeats, **more)

    one = list(order())
    shares = [list(order(share=share, num_shares=num_shares)) for share in range(num_shares)]
    together = [[draw for part in step for draw in part] for step in zip(*shares, strict=True)]
    assert together == one
    assert list(order(first_step=133)) == one[133:]


def shard_window(monkeypatch: pytest.MonkeyPatch) -> ShardWindow:
    """Of 400 images, 20 in each shard, of which 4 are read from at a time."""
    monkeypatch.setattr(shuffling, "WINDOW_BYTES", 4 * 20 * 100)
    members = (
        f"/data/{number // 20:02}.tar#{100 * number}+100/{number}.jpg" for number in range(400)
    )
    window = ShardWindow.of(ImagePaths.of(members))
    assert window is not None
    assert window.num_active == 4
    return window


def test_copies_are_read_within_the_window_of_their_shard(monkeypatch):
    window = shard_window(monkeypatch)
    repeats = repeats_of(dataset_of([[0]] * 390 + [[0, 1]] * 10))
    images, copies = repeats.round(0, window)
    assert np.array_equal(np.bincount(images), repeats.counts(0))
    assert sorted(copies[images == 395]) == list(range(repeats.counts(0)[395]))
    shards = window.shard_of[images]
    # A shard is read from its first image to its last; those of four shards come meanwhile, and
    # all copies are of the last.
    spans = [np.flatnonzero(shards == shard) for shard in range(20)]
    assert max(span[-1] - span[0] for span in spans) <= 5 * 20 + (len(images) - 400)
    assert max(len(set(shards[start : start + 20])) for start in range(len(images))) <= 6


@pytest.mark.parametrize("threshold", [0.0, 0.04])
def test_without_a_rare_class_the_order_is_as_ever(threshold):
    assert Repeats.of(dataset_of(LABELS), threshold, seed=3) is None
    assert "none is drawn more" in describe_repeats(dataset_of(LABELS), 0.04)


def test_a_crowd_is_no_object_to_train_on():
    dataset = dataset_of(LABELS)
    truths = replace(dataset.truths, crowd=dataset.truths.labels == 1)
    assert (Repeats.of(replace(dataset, truths=truths), 0.5, seed=3)) is None


def test_the_message_names_the_rare_classes():
    text = describe_repeats(dataset_of(LABELS), 0.8)
    assert "b (in 1) 4.20 times; all of them take 1.15 epochs instead of one" in text


def varied(repeats: Repeats | None, **settings: object) -> AugmentedImages:
    random = torch.Generator().manual_seed(0)
    images = torch.randint(256, (22, 3, 40, 50), generator=random, dtype=torch.uint8)
    dataset = dataset_of(LABELS)
    samples = [Sample(one, dataset.truth(n), str(n)) for n, one in enumerate(images)]
    augmentation = Augmentation.of(
        AugmentationSettings.model_validate(settings), (32, 48), (0,) * 3
    )
    return AugmentedImages(samples, augmentation, seed=3, repeats=repeats)


def test_copies_of_an_image_are_varied_each_in_its_own_way():
    images = varied(repeats_of(dataset_of(LABELS)))
    first, again, other = images[Draw(0, 19)], images[Draw(0, 19)], images[Draw(0, 19, copy=1)]
    assert torch.equal(first.image, again.image)
    assert not torch.equal(first.image, other.image)
    assert torch.equal(first.image, varied(None)[Draw(0, 19)].image)


def test_an_image_is_drawn_to_be_combined_as_often_as_its_factor():
    repeats, random = repeats_of(dataset_of(LABELS)), torch.Generator().manual_seed(0)
    drawn = Counter(repeats.draw_index(random) for _ in range(4000))
    share = repeats.factors[19] / repeats.factors.sum()
    deviation = math.sqrt(share * (1 - share) / 4000)
    assert drawn[19] / 4000 == pytest.approx(share, abs=4 * deviation)
    assert set(drawn) == set(range(22))


def test_mosaic_takes_images_as_often_as_they_are_repeated():
    factors = np.ones(22)
    factors[19] = 1e9
    images = varied(Repeats(factors, seed=3), mosaic=1.0)
    assert images[Draw(0, 0)].name == "0 + 19 + 19 + 19"


def test_batches_are_the_same_from_this_process_and_from_others():
    repeats = repeats_of(dataset_of(LABELS))
    images, order = varied(repeats, mosaic=0.5), Order(22, 4, 9, seed=3, repeats=repeats)
    here, there = (
        list(training_batches(images, order, workers=workers, pin_memory=False))
        for workers in (0, 1)
    )
    for ours, theirs in zip(here, there, strict=True):
        assert torch.equal(ours.images, theirs.images)
        assert ours.names == theirs.names


def test_the_cyclist_of_traffic_is_seen_as_often_as_the_formula_has_it(shared):
    dataset = open_dataset(shared / "data/traffic", "trainval")
    cyclist = dataset.class_names.index("cyclist")
    (index,) = [n for n in range(len(dataset)) if cyclist in dataset.truth(n).labels]
    repeats = repeats_of(dataset, threshold=0.5)
    expected = published_factors([dataset.truth(n).labels.tolist() for n in range(81)], 0.5)
    assert expected[index] == math.sqrt(0.5 * 81)
    epochs = 200
    order = Order(81, 9, 9 * epochs, seed=3, repeats=repeats)
    drawn = Counter(draw.index for batch in order for draw in batch)
    share = expected[index] / sum(expected)
    assert drawn[index] / (81 * epochs) == pytest.approx(share, rel=0.02)
    without = Order(81, 9, 9 * epochs, seed=3)
    assert Counter(draw.index for batch in without for draw in batch)[index] == epochs
