import multiprocessing
from dataclasses import replace

import pytest
import torch

from singleshot.data import batching
from singleshot.data.augment.pipeline import Augmentation
from singleshot.data.augment.settings import AugmentationSettings
from singleshot.data.batching import (
    AugmentedImages,
    Draw,
    Order,
    TrainingBatches,
    training_batches,
)
from singleshot.errors import DataError
from singleshot.structures import Sample, Truth


def order(first_step=0, **more):
    return Order(num_images=10, batch_size=4, num_steps=6, seed=1, first_step=first_step, **more)


def test_every_image_comes_once_an_epoch():
    draws = [draw for batch in order() for draw in batch]
    for epoch in (0, 1):
        assert sorted(draw.index for draw in draws if draw.epoch == epoch) == list(range(10))


def test_epochs_differ_in_order():
    draws = [draw for batch in order() for draw in batch]
    first, second = ([d.index for d in draws if d.epoch == epoch] for epoch in (0, 1))
    assert first != second


def test_going_on_gives_the_batches_that_were_left():
    assert list(order(first_step=4)) == list(order())[4:]
    assert len(order(first_step=4)) == 2


def test_the_end_is_clean():
    clean = [[draw.clean for draw in batch] for batch in order(clean_end=1 / 3)]
    assert clean == [[False] * 4] * 4 + [[True] * 4] * 2
    assert list(order(first_step=3, clean_end=1 / 3)) == list(order(clean_end=1 / 3))[3:]


def augmented(random, **settings):
    truth = Truth.of(torch.tensor([[5.0, 5, 30, 30]]), torch.tensor([0]))
    images = torch.randint(256, (10, 3, 40, 50), generator=random, dtype=torch.uint8)
    samples = [Sample(image, truth, str(number)) for number, image in enumerate(images)]
    augmentation = Augmentation.of(AugmentationSettings(**settings), (32, 48), (0, 0, 0))
    return AugmentedImages(samples, augmentation, seed=7)


def test_a_sample_can_be_drawn_again(random):
    varied = augmented(random)
    first, again, later = varied[Draw(0, 3)], varied[Draw(0, 3)], varied[Draw(1, 3)]
    assert torch.equal(first.image, again.image)
    assert not torch.equal(first.image, later.image)


@pytest.mark.parametrize("clean_size", [False, True])
def test_at_the_clean_end_objects_keep_their_size_if_the_recipe_sets_it(random, clean_size):
    varied = augmented(random, clean_size=clean_size)
    sizes = set()
    for epoch in range(20):
        for x1, y1, x2, y2 in varied[Draw(epoch, 3, clean=True)].truth.boxes.tolist():
            sizes.add((round(x2 - x1, 3), round(y2 - y1, 3)))
    # 25 × 25 of 50 × 40 pixels, in 48 × 32.
    assert (sizes == {(24.0, 20.0)}) is clean_size


def test_batches_are_the_same_from_this_process_and_from_others(random):
    varied = augmented(random)
    here = list(training_batches(varied, order(), workers=0, pin_memory=False))
    there = list(training_batches(varied, order(), workers=2, pin_memory=False))
    assert len(here) == len(there) == 6
    for ours, theirs in zip(here, there, strict=True):
        assert torch.equal(ours.images, theirs.images)
        assert ours.names == theirs.names
    assert here[0].images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("length", [4, 9])
def test_the_length_of_a_training_changes_while_its_batches_are_drawn(random, workers, length):
    images, former = augmented(random), order(clean_end=1 / 3)
    changed = TrainingBatches(images, former, workers, pin_memory=False).between(0, 6)
    drawn = []
    for number, batch in enumerate(changed):
        drawn.append(batch.images)
        if number == 0:  # at most three batches are in preparation
            changed.change_num_steps(length)
    expected = TrainingBatches(images, replace(former, num_steps=length), 0, pin_memory=False)
    assert len(drawn) == length
    for batch, other in zip(drawn, expected, strict=True):
        assert torch.equal(batch, other.images)
    assert former.num_steps == 6


@pytest.mark.skipif(not batching.CAN_FORK, reason="processes are forked on Linux")
def test_workers_share_images_whatever_way_python_starts_processes(random):
    before = multiprocessing.get_start_method()
    varied = augmented(random)
    # What is defined here cannot be sent to a process that begins anew.
    alike = type("Alike", (list,), {})(varied.images)
    varied = AugmentedImages(alike, varied.augmentation, seed=7)
    multiprocessing.set_start_method("spawn", force=True)
    try:
        batches = list(training_batches(varied, order(), workers=1, pin_memory=False))
    finally:
        multiprocessing.set_start_method(before, force=True)
    assert len(batches) == 6


@pytest.mark.parametrize(
    ("on_gpu", "num_local", "cores", "expected"),
    [
        (False, 1, 64, 1),
        (True, 1, 4, 3),
        (True, 1, 64, 8),
        (True, 4, 16, 3),
        (True, 8, 4, 1),
    ],
)
def test_a_gpu_gets_workers_for_its_share_of_the_cores(
    monkeypatch, on_gpu, num_local, cores, expected
):
    monkeypatch.setattr(batching, "available_cores", lambda: cores)
    monkeypatch.setattr(batching, "CAN_FORK", True)
    assert batching.default_workers(on_gpu=on_gpu, num_local=num_local) == expected
    monkeypatch.setattr(batching, "CAN_FORK", False)
    assert batching.default_workers(on_gpu=on_gpu, num_local=num_local) == 0


def test_a_sample_of_several_images_can_be_drawn_again(random):
    varied = augmented(random, mosaic=1.0, mixup=1.0)
    first, again, later = varied[Draw(0, 3)], varied[Draw(0, 3)], varied[Draw(1, 3)]
    assert first.name == again.name != later.name
    assert first.name.startswith("3 + ")
    assert first.name.count("+") == 4
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.truth.boxes, again.truth.boxes)


def test_a_clean_draw_shows_one_image(random):
    varied = augmented(random, mosaic=1.0, mixup=1.0)
    alone = augmented(torch.Generator().manual_seed(0))[Draw(0, 3)]
    assert torch.equal(varied[Draw(0, 3, clean=True)].image, alone.image)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_image_is_an_error_of_the_data_without_a_traceback_inside(random, workers):
    varied = augmented(random)
    broken = AugmentedImages(Broken(varied.images), varied.augmentation, seed=7)
    with pytest.raises(DataError) as caught:
        list(training_batches(broken, order(), workers=workers, pin_memory=False))
    assert str(caught.value) == "image 3 is broken"


class Broken(list):
    def __getitem__(self, index):
        if index == 3:
            raise DataError("image 3 is broken")
        return super().__getitem__(index)
