from __future__ import annotations

import numpy as np
import pytest
import torch

from singleshot.data import shuffling
from singleshot.data.batching import Order
from singleshot.data.image_files.paths import ImagePaths
from singleshot.data.shuffling import ShardWindow

SHARDS, IN_EACH, BYTES = 40, 50, 1000


def paths(files: int = 0) -> ImagePaths:
    members = (
        f"/data/{shard:02d}.tar#{BYTES * image}+{BYTES}/{shard}-{image}.jpg"
        for shard in range(SHARDS)
        for image in range(IN_EACH)
    )
    return ImagePaths.of([*members, *(f"/files/{number}.jpg" for number in range(files))])


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> ShardWindow:
    monkeypatch.setattr(shuffling, "WINDOW_BYTES", 8 * IN_EACH * BYTES)
    found = ShardWindow.of(paths())
    assert found is not None
    return found


def test_an_epoch_has_each_image_once_in_another_order(window):
    first, again, other, later = (
        window.permutation(*key) for key in ((1, 0), (1, 0), (2, 0), (1, 1))
    )
    assert sorted(first) == list(range(SHARDS * IN_EACH))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, later)


def test_images_come_from_few_shards_at_a_time(window):
    assert window.num_active == 8
    shards = window.shard_of[window.permutation(1, 0)]
    spans = [np.flatnonzero(shards == shard) for shard in range(SHARDS)]
    # A shard is read from its first image to its last; the others meanwhile are a window's.
    assert max(span[-1] - span[0] for span in spans) <= 9 * IN_EACH
    assert max(len(set(shards[start : start + 100])) for start in range(0, 1900, 50)) <= 12
    # And no fewer: it is a shuffle.
    assert np.mean([len(set(shards[start : start + 32])) for start in range(0, 1900, 32)]) > 6


@pytest.mark.usefixtures("window")
def test_images_in_no_shard_are_spread_over_the_epoch():
    mixed = ShardWindow.of(paths(files=400))
    assert mixed is not None
    places = np.flatnonzero(mixed.is_file[mixed.permutation(1, 0)])
    assert np.histogram(places, bins=4, range=(0, 2400))[0].min() > 70


def test_another_image_is_of_the_same_shard(window):
    random = torch.Generator().manual_seed(0)
    drawn = {window.draw_near(7 * IN_EACH + 3, random) for _ in range(500)}
    assert drawn == set(range(7 * IN_EACH, 8 * IN_EACH))


def test_small_data_sets_are_shuffled_as_ever():
    assert ShardWindow.of(paths()) is None
    assert ShardWindow.of(ImagePaths.of([])) is None
    order = Order(10, 4, 2, seed=3)
    expected = np.random.default_rng([3, 0]).permutation(10)[:8].tolist()
    assert [draw.index for batch in order for draw in batch] == expected


def test_few_shards_are_shuffled_as_a_whole(monkeypatch):
    monkeypatch.setattr(shuffling, "WINDOW_BYTES", 8 * IN_EACH * BYTES)
    few = paths()[: 2 * IN_EACH]
    assert ShardWindow.of(few) is None
    files = ImagePaths.of(f"/files/{number}.jpg" for number in range(100))
    assert ShardWindow.of(files) is None


@pytest.mark.parametrize("num_shares", [2, 3])
def test_processes_draw_the_same_as_one_and_resume_at_the_very_sample(window, num_shares):
    def order(**more):
        return Order(SHARDS * IN_EACH, 7, 700, seed=1, window=window, **more)

    one = list(order())
    shares = [list(order(share=share, num_shares=num_shares)) for share in range(num_shares)]
    together = [[draw for part in step for draw in part] for step in zip(*shares, strict=True)]
    assert together == one
    assert list(order(first_step=333)) == one[333:]
