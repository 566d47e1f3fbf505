from dataclasses import replace

import pytest
from search_scene import TRIALS, trial

from singleshot.tuning.trials import best_of, spread_of


def test_the_best_is_finished_and_the_earliest_of_equals():
    assert best_of(TRIALS) is TRIALS[4]
    assert best_of((trial(0, 0.9, outcome="pruned"), trial(1, 0.5), trial(2, 0.5))).number == 1
    assert best_of(()) is None


def test_noise_is_pooled_over_trials_that_differ_by_the_seed_alone():
    def seeded(number, score, seed, rate):
        one = trial(number, score, rate)
        return replace(one, values={**one.values, "training.seed": seed})

    trials = [seeded(0, 0.50, 0, 0.1), seeded(1, 0.54, 1, 0.1), seeded(2, 0.9, 0, 0.2)]
    spread = spread_of(trials)
    assert spread.deviation == pytest.approx(0.02 * 2**0.5)
    assert (spread.num_trials, spread.num_groups) == (2, 1)
    assert spread_of(TRIALS) is None
