"""Fitting a training into a time, by the clock of the test."""

from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import pytest
from callbacks import Recorder

from singleshot.data.batching import TrainingBatches
from singleshot.errors import SingleshotError
from singleshot.recipes.load import load_recipe
from singleshot.recipes.training import ScheduleSettings
from singleshot.runs.progress import TrainingProgress
from singleshot.training.loop import Training
from singleshot.training.optimizers import rate_at
from singleshot.training.options import TimeBudget
from singleshot.training.time_budget import Costs, Pace, allot, paced_batches

BUDGET = TimeBudget(1000.0, start=0.0)  # to be done by 950
RECIPE = load_recipe("ssdlite320-lite0", {"training.batch_size": 10, "training.validate_every": 1})


def test_the_time_left_by_validations_and_report_is_filled_with_steps():
    costs = Costs(step=1.0, validation=20.0, begin=10.0, finish=40.0)
    fits = allot(BUDGET, 100.0, costs, RECIPE, num_images=1000)
    # 950 − 100 − 10 − 40 = 800 s; at most 5 validations of 20 s are a tenth of the budget,
    # and one every 2 of 7.2 epochs makes 4.
    assert (fits.num_steps, fits.num_validations, fits.validate_every) == (720, 4, 2)


def test_validations_that_a_recipe_does_not_ask_for_become_steps():
    costs = Costs(step=1.0, validation=1.0, begin=0.0, finish=0.0)
    recipe = load_recipe(
        "ssdlite320-lite0", {"training.batch_size": 10, "training.validate_every": 50}
    )
    fits = allot(BUDGET, 0.0, costs, recipe, num_images=1000)
    assert (fits.num_steps, fits.num_validations, fits.validate_every) == (949, 1, 50)


def test_there_is_one_validation_however_long_it_takes():
    costs = Costs(step=1.0, validation=300.0, begin=0.0, finish=300.0)
    fits = allot(BUDGET, 0.0, costs, RECIPE, num_images=1000)
    assert (fits.num_steps, fits.num_validations) == (350, 1)


def test_a_time_too_short_for_a_step_is_refused_with_the_shortest_possible():
    costs = Costs(step=5.0, validation=500.0, begin=10.0, finish=400.0)
    with pytest.raises(SingleshotError, match=r"0:16:40 is too short: .* at least 0:19:36"):
        allot(BUDGET, 100.0, costs, RECIPE, num_images=1000)


def test_the_summary_has_the_planned_and_the_actual_time():
    assert BUDGET.summarise(900.0) == (
        "planned to take 0:15:50 of a time budget of 0:16:40, took 0:15:00"
    )
    assert BUDGET.summarise(1012.0).endswith("took 0:16:52, 12.0 s over the budget")


def begun(step, num_steps=900):
    return TrainingProgress(step=step, num_steps=num_steps, best=None, data="")


def pace_after(seconds_of_step):
    pace = Pace(BUDGET, step=1.0, validation=0.0, finish=0.0)
    for _ in range(10):
        pace.add(seconds_of_step, validated=False)
    return pace


def test_a_training_on_time_keeps_its_length():
    assert pace_after(1.0).better_end(begun(225), validations_left=1, now=275.0) is None


def test_between_the_marks_nothing_changes():
    assert pace_after(9.0).better_end(begun(224), validations_left=1, now=275.0) is None


@pytest.mark.parametrize(
    # 675 s are left until 950 at a quarter of the steps; of 1.5 s, of 0.5 s each.
    ("seconds_of_step", "num_steps"),
    [(1.5, 225 + 450), (0.5, 225 + 1350)],
)
def test_at_a_quarter_the_rest_is_fitted_to_the_speed(seconds_of_step, num_steps):
    pace = pace_after(seconds_of_step)
    assert pace.better_end(begun(225), validations_left=1, now=275.0) == num_steps
    # Each mark is looked at once.
    assert pace.better_end(begun(226), validations_left=1, now=900.0) is None


def test_validations_and_the_report_are_reckoned_with():
    pace = pace_after(1.0)
    pace.add(31.0, validated=True)  # a step of 1 s, and a validation of 30 s
    pace.finish = 15.0
    # 675 s less 2 × 30 and 15 are 600.
    assert pace.better_end(begun(225), validations_left=2, now=275.0) == 225 + 600


def test_behind_the_last_mark_it_stops_before_the_budget_is_used_up():
    pace = pace_after(1.0)
    assert pace.better_end(begun(675), validations_left=0, now=720.0) is None
    # 100 steps to go, and 980 would be reached: only 70 s are left until 950.
    assert pace.better_end(begun(800), validations_left=0, now=880.0) == 870


def test_steps_that_a_slow_stretch_took_away_come_back_near_the_end():
    pace = pace_after(1.0)
    assert pace.better_end(begun(675), validations_left=0, now=720.0) is None
    for _ in range(10):  # twice as slow for a while
        pace.add(2.0, validated=False)
    cut = pace.better_end(begun(700), validations_left=0, now=800.0)
    assert cut == 700 + 75
    fast = TrainingProgress(770, cut, None, "", fitted_at=700, fitted_part=7 / 9)
    for _ in range(60):
        pace.add(1.0, validated=False)
    assert pace.better_end(fast, validations_left=0, now=870.0) > cut + 40


def test_at_least_one_more_step_ends_the_schedule():
    pace = pace_after(1.0)
    assert pace.better_end(begun(675), validations_left=0, now=2000.0) == 676


def test_another_number_of_steps_leaves_no_gap_in_the_schedule():
    settings = ScheduleSettings()
    before = begun(500, num_steps=1000)
    for after in (before.with_num_steps(700), before.with_num_steps(3000)):
        rates = [rate_at(p.schedule_step, p.num_steps, settings) for p in (before, after)]
        assert rates == pytest.approx([0.5, 0.5])
        assert after.part == 0.5
    last = TrainingProgress(700, 700, None, "", fitted_at=500, fitted_part=0.5)
    assert last.part == 1.0


def test_a_schedule_that_was_fitted_twice_still_ends_at_its_end():
    once = begun(500, num_steps=1000).with_num_steps(700)
    middle = TrainingProgress(
        600, 700, None, "", fitted_at=once.fitted_at, fitted_part=once.fitted_part
    )
    twice = middle.with_num_steps(1600)
    assert middle.part == twice.part == 0.75
    assert TrainingProgress(1600, 1600, None, "", fitted_at=600, fitted_part=0.75).part == 1.0


def test_processes_that_prepare_images_start_once_and_are_no_time_of_steps(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("singleshot.training.time_budget.time.monotonic", lambda: clock.now)

    class Started(TrainingBatches):
        times = 0

        def __init__(self):
            pass

        def between(self, first, last):
            self.times += 1
            self.first, self.last = first, last
            return self

        def change_num_steps(self, number):
            self.last = number

        def __iter__(self):
            clock.now += 9.0  # processes start
            for step in count(self.first):
                if step >= self.last:
                    return
                yield step

    class Running(Training):
        validations_left = 0

        def __init__(self):
            self.progress, self.callback = begun(0), Recorder()

        def change_num_steps(self, number):
            self.progress = self.progress.with_num_steps(number)

    pace, batches, training = Pace(BUDGET, 1.0, 0.0, 0.0), Started(), Running()
    for batch in paced_batches(training, pace, batches):
        assert batch == training.progress.step
        clock.now += 1.0 if batch < 500 else 1.2
        training.progress = replace(training.progress, step=batch + 1)
    # Planned anew at a quarter (900 steps would end at 1009) and, for the slower steps, later.
    assert pace.step == pytest.approx(1.2)
    assert batches.times == 1
    assert training.progress.num_steps != 1000
    assert 920 < clock.now < 960
