"""Rules of batch, rate, epochs and averaging."""

# Tests singleshot/auto/constants.py

import numpy as np
import pytest
from tasks import facts, start, task

from singleshot.auto import constants
from singleshot.auto.schedule_rules import (
    choose_averaging,
    choose_backbone_rate,
    choose_batch,
    choose_epochs,
    choose_optimizer,
    choose_rate,
)
from singleshot.auto.task import Task, TrainingMachine
from singleshot.recipes.load import load_recipe


@pytest.mark.parametrize(
    ("device", "num_images", "size", "batch"),
    [
        ("cpu", 300, (320, 320), 8),
        ("cpu", 300, (128, 160), 16),
        ("cpu", 5, (320, 320), 5),
        ("cpu", 1, (320, 320), 2),  # of one image, batch norm has no variance at 1 x 1
        ("cpu", 1, (96, 128), 2),
        ("gpu", 10_000, (320, 320), 32),
        ("gpu", 600, (320, 320), 16),
        ("gpu", 20, (320, 320), 8),
    ],
)
def test_the_batch_follows_from_device_data_and_input(device, num_images, size, batch):
    chosen = choose_batch(task(device=device, num_images=num_images), size)
    assert chosen.value == batch


@pytest.mark.parametrize(
    ("device", "num_images", "processes", "batch"),
    [("gpu", 10**6, 8, 256), ("gpu", 100, 8, 16), ("gpu", 100, 1, 8), ("cpu", 300, 16, 32)],
)
def test_the_batch_is_for_all_processes_and_each_has_two_images(
    device, num_images, processes, batch
):
    machine = TrainingMachine(device, 2, processes=processes)
    assert choose_batch(Task(facts(num_images=num_images), machine), (320, 320)).value == batch


def test_the_rate_grows_with_the_batch():
    (same,), (larger,), (most,) = (choose_rate(task(), batch) for batch in (8, 32, 256))
    assert same.value == load_recipe(constants.BASE).training.learning_rate
    assert (larger.value, most.value) == (0.006, 0.006)
    assert "scaled by the square root of the batch" in larger.reason
    assert most.reason.endswith("(Malladi et al. 2022), as for 32 and no more")
    assert [choice.value for choice in choose_rate(task(), 5)] == [same.value]
    known = start(knows_classes=True)
    assert choose_rate(task(start=known), 8) == []
    (of_start,) = choose_rate(task(start=known), 16)
    assert (of_start.key, of_start.value) == ("fine_tuning.training.learning_rate", 0.01)
    assert choose_rate(task(start=known, given={"training.learning_rate": 0.1}), 16) == []


def test_a_small_start_learns_new_classes_with_adamw():
    begun = task(start=start())
    optimizer, decay = choose_optimizer(begun)
    rate, larger = (choice for batch in (8, 32) for choice in choose_rate(begun, batch))
    chosen = {choice.key: choice.value for choice in (optimizer, decay, rate)}
    assert chosen == {
        "fine_tuning.training.optimizer": "adamw",
        "fine_tuning.training.weight_decay": 0.05,
        "fine_tuning.training.learning_rate": 0.001,
    }
    assert larger.value == 0.002
    # What would be chosen anyway may be given as well.
    same = task(start=start(), given={"training.optimizer": "adamw"})
    assert choose_optimizer(same)[1] == decay
    assert choose_rate(same, 8) == [rate]


@pytest.mark.parametrize(
    "own",
    [
        {"start": start(knows_classes=True)},
        {"start": start(like_base=False)},
        {"start": start(), "given": {"training.optimizer": "sgd"}},
        {"start": start(), "given": {"training.learning_rate": 0.01}},
        {
            "start": start(),
            "given": {"training.learning_rate": 0.01, "training.optimizer": "adamw"},
        },
    ],
    ids=[
        "it knows the classes",
        "it is large, or of another kind",
        "optimizer given",
        "rate given",
        "optimizer and rate given",
    ],
)
def test_any_other_start_keeps_the_rates_of_its_recipe(own):
    assert choose_optimizer(task(**own)) == choose_rate(task(**own), 8) == []


def test_the_rate_and_the_decay_are_those_of_the_optimizer_that_is_given():
    recipe = load_recipe(constants.BASE).training
    chosen = {choice.key: choice.value for choice in choose_optimizer(task())}
    assert chosen == {
        "training.optimizer": recipe.optimizer,
        "training.weight_decay": recipe.weight_decay,
    }
    given = task(given={"training.optimizer": "sgd"})
    assert [choice.value for choice in choose_optimizer(given)] == ["sgd", 4e-5]
    (rate,) = choose_rate(given, 32)
    assert rate.value == 0.08
    assert "scaled with the batch" in rate.reason


LARGE = np.full(100, 0.4)


@pytest.mark.parametrize(
    ("images_per_class", "factor", "images"),
    [
        ({"cat": 132}, 0.3, "132 images"),
        ({"cat": 20}, 0.1, "20 images"),
        ({"cat": 379}, 0.9, "379 images"),
        ({"cat": 1, "dog": 0}, 0.1, "1 image of a class"),
        ({"cat": 900, "dog": 200, "cow": 3}, 0.5, "200 images of a class"),
    ],
)
def test_few_images_of_large_objects_leave_the_backbone_what_it_knows(
    images_per_class, factor, images
):
    made = task(sides=LARGE, images_per_class=images_per_class)
    (choice,) = choose_backbone_rate(made, has_weights=True)
    assert (choice.key, choice.value) == ("training.backbone_learning_rate", factor)
    assert "half of the objects are above 40% of the image's side" in choice.reason
    assert f"than {images} can show" in choice.reason


def test_many_images_of_other_classes_raise_the_rate_of_the_backbone():
    made = task(sides=LARGE, images_per_class={"cat": 9}, num_images=2000)
    (choice,) = choose_backbone_rate(made, has_weights=True)
    assert choice.value == 0.5


@pytest.mark.parametrize(
    "changes",
    [
        {"images_per_class": {"cat": 400}},
        {"images_per_class": {"cat": 5000, "dog": 10, "cow": 10}, "num_images": 5000},
        {"images_per_class": {}},
        {"sides": np.full(100, 0.2)},
        {"given": {"training.optimizer": "sgd"}},
        {"start": start()},
    ],
    ids=[
        "many images of the class",
        "many images of other classes",
        "no objects",
        "smaller objects",
        "SGD",
        "levels of a start",
    ],
)
def test_otherwise_the_backbone_has_the_rate_of_the_other_layers(changes):
    few = {"sides": LARGE, "images_per_class": {"cat": 100}}
    assert choose_backbone_rate(task(**{**few, **changes}), has_weights=True) == []
    assert choose_backbone_rate(task(**few), has_weights=False) == []


@pytest.mark.parametrize(
    ("num_images", "epochs"), [(300, 40), (20, 600), (500, 40), (100_000, 12), (10**6, 12)]
)
def test_epochs_follow_from_the_number_of_images(num_images, epochs):
    choice = choose_epochs(task(num_images=num_images), 8, 1.0)
    assert choice.value == epochs


def test_few_images_have_more_epochs_for_enough_steps():
    choice = choose_epochs(task(num_images=20), 8, 1.0)
    assert choice.reason == "20 images are few: 40 epochs would be 100 steps; 1,500 steps of 8"


def test_epochs_fill_the_time_on_this_machine():
    # Four fifths of 35 minutes are 6,000 steps of 280 ms, 160 epochs of 300 images.
    assert choose_epochs(task(seconds=2100.0), 8, 1.0).value == 160
    assert choose_epochs(task(seconds=2100.0), 8, 2.0).value == 80
    assert choose_epochs(task(seconds=2100.0, cores=1), 8, 1.0).value == 80
    # More cores than the network can use are not counted.
    assert choose_epochs(task(seconds=2100.0, cores=64), 8, 1.0).value == 640


def test_a_start_takes_fewer_epochs_and_least_where_it_knows_all_classes():
    assert choose_epochs(task(start=start()), 8, 1.0).value == 20
    assert choose_epochs(task(start=start(knows_classes=True)), 8, 1.0).value == 10


USUAL = load_recipe(constants.BASE).training


def test_only_long_trainings_average_longer():
    assert choose_averaging(task(), 3000, USUAL) == []
    (choice,) = choose_averaging(task(), 50_000, USUAL)
    assert choice.value == 0.9997  # the last 3,000 steps
    (longest,) = choose_averaging(task(), 10**6, USUAL)
    assert longest.value == 0.9998


@pytest.mark.parametrize(
    ("own", "num_steps", "decay"),
    [
        (0.9998, 400, 0.995),
        (0.9998, 50_000, 0.9997),
        (0.9997, 10**6, None),
        (0.995, 50_000, None),
        (0.995, 400, None),
        (0.0, 400, None),
    ],
)
def test_the_average_of_a_short_training_leaves_the_weights_it_starts_from(own, num_steps, decay):
    trained = USUAL.model_copy(update={"average_decay": own})
    choices = choose_averaging(task(start=start()), num_steps, trained)
    assert [choice.value for choice in choices] == ([] if decay is None else [decay])


def test_a_million_images_are_one_more_number():
    large = facts(num_images=10**6, objects_per_class={"cat": 8 * 10**6})
    assert "1,000,000 images (300 looked at)" in large.describe()


@pytest.mark.parametrize(
    ("seconds", "slowdown"), [(0.28, 1.0), (0.33, 1.0), (0.5, 2.0), (0.16, 0.5), (30.0, 4.0)]
)
def test_the_speed_of_a_machine_is_rounded_and_bounded(seconds, slowdown):
    machine = TrainingMachine("cpu", 2).with_measured_step(seconds, 8)

    assert machine.slowdown == slowdown
    assert machine.step_seconds(8, 1.0) == pytest.approx(0.28 * slowdown)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (90.0, "90 seconds"),
        (1200.0, "20 minutes"),
        (108_000.0, "30 hours"),
        (None, "no time budget"),
    ],
)
def test_the_time_is_written_in_words(seconds, words):
    assert task(seconds=seconds).time == words


def test_a_machine_is_named_with_a_speed_that_is_not_usual():
    assert str(TrainingMachine("cpu", 2)) == "2 cores"
    assert str(TrainingMachine("cpu", 1, 4.0)) == "1 core (4 times slower than usual)"
    assert str(TrainingMachine("gpu", 8, 0.5)) == "a GPU (2 times faster than usual)"
    assert str(TrainingMachine("gpu", 8, processes=4)) == "4 GPUs"
