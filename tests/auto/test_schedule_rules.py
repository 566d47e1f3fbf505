"""Rules of batch, rate, epochs, validations and averaging."""

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
    choose_repeats,
    choose_validations,
)
from singleshot.auto.task import Task, TrainingMachine
from singleshot.data.repeats import class_factors
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


@pytest.mark.parametrize(
    "own",
    [
        {"start": start(knows_classes=True)},
        {"start": start(like_base=False)},
        {"start": start(), "given": {"training.optimizer": "sgd"}},
        {"start": start(), "given": {"training.learning_rate": 0.01}},
    ],
    ids=[
        "it knows the classes",
        "it is large, or of another kind",
        "optimizer given",
        "rate given",
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
    ("images_with", "factor", "images"),
    [
        ({"cat": 132}, 0.3, "132 images"),
        ({"cat": 20}, 0.1, "20 images"),
        ({"cat": 379}, 0.9, "379 images"),
        ({"cat": 1, "dog": 0}, 0.1, "1 image of a class"),
        ({"cat": 900, "dog": 200, "cow": 3}, 0.5, "200 images of a class"),
    ],
)
def test_few_images_of_large_objects_leave_the_backbone_what_it_knows(images_with, factor, images):
    (choice,) = choose_backbone_rate(task(sides=LARGE, images_with=images_with))
    assert (choice.key, choice.value) == ("training.backbone_learning_rate", factor)
    assert "half of the objects are above 40% of the image's side" in choice.reason
    assert f"than {images} can show" in choice.reason


def test_many_images_of_other_classes_raise_the_rate_of_the_backbone():
    (choice,) = choose_backbone_rate(task(sides=LARGE, images_with={"cat": 9}, num_images=2000))
    assert choice.value == 0.5


@pytest.mark.parametrize(
    "changes",
    [
        {"images_with": {"cat": 400}},
        {"images_with": {"cat": 5000, "dog": 10, "cow": 10}, "num_images": 5000},
        {"images_with": {}},
        {"sides": np.full(100, 0.2)},
        {"given": {"training.optimizer": "sgd"}},
        {"given": {"model.backbone.weights": "none"}},
        {"start": start()},
    ],
    ids=[
        "many images of the class",
        "many images of other classes",
        "no objects",
        "smaller objects",
        "SGD",
        "random weights",
        "levels of a start",
    ],
)
def test_otherwise_the_backbone_has_the_rate_of_the_other_layers(changes):
    few = {"sides": LARGE, "images_with": {"cat": 100}}
    assert choose_backbone_rate(task(**{**few, **changes})) == []


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


def test_validations_are_about_fifteen_and_few_images_are_called_uncertain():
    assert choose_validations(task(), 40).value == 3
    assert choose_validations(task(), 4).value == 1
    assert "uncertain" not in choose_validations(task(), 40).reason
    few = choose_validations(task(num_validation=10, num_validation_objects=50), 40)
    # 1.96 √(0.7 · 0.3 / 50)
    assert "10 images with 50 objects: so few that an AP50 of 0.7 on them is uncertain by 0.13" in (
        few.reason
    )
    without = choose_validations(task(num_validation=0), 40)
    assert "no validation images" in without.reason


def test_only_long_trainings_average_longer():
    assert choose_averaging(3000) == []
    (choice,) = choose_averaging(50_000)
    assert choice.value == pytest.approx(1 - 1 / 3000, abs=1e-4)


@pytest.mark.parametrize(
    ("images_with", "threshold"),
    [
        ({"cat": 200, "dog": 60}, 0.0),
        # Between 40 and 160 images of 300: 80 / 300. The rarest comes √(80 / 10) times as often.
        ({"cat": 160, "dog": 40, "owl": 10}, 0.27),
        # At most five times: 25 · 1 / 300.
        ({"cat": 160, "dog": 40, "owl": 1}, 0.083),
    ],
)
def test_images_of_rare_classes_are_drawn_more_often(images_with, threshold):
    (choice,) = choose_repeats(task(images_with=images_with))
    assert choice.value == threshold
    least, most = min(images_with.values()), max(images_with.values())
    assert f"in {least} of 300 images, cat in {most}" in choice.reason
    factors = class_factors(np.array(list(images_with.values())), 300, threshold)
    assert factors.max() <= 5.05
    if threshold:
        assert f"{factors.max():.1f} times" in choice.reason


def test_equal_classes_are_described_as_such():
    (choice,) = choose_repeats(task(images_with={"cat": 200, "dog": 200, "owl": 0}))
    assert choice.value == 0.0
    assert choice.reason == (
        "each of 2 classes is in 200 of 300 images: all images are drawn equally often"
    )


def test_a_single_class_needs_no_balance():
    assert choose_repeats(task(images_with={"cat": 3, "dog": 0})) == []


def test_a_million_images_are_one_more_number():
    large = facts(num_images=10**6, class_counts={"cat": 8 * 10**6})
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
