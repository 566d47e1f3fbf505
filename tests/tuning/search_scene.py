"""A made-up search of five trials."""

from __future__ import annotations

from singleshot.tuning.page import SearchPage
from singleshot.tuning.search_space import Choices, ValueRange
from singleshot.tuning.trials import Trial

RATE, FLIP = "training.learning_rate", "augmentation.flip"
SPACE = {RATE: ValueRange(0.001, 0.1, log=True), FLIP: Choices(("0.0", "0.5"))}


def trial(number, score, rate=0.02, flip=0.5, outcome="finished", **more):
    validations = [(5, 0.5 * score), (10, score)]
    values = {RATE: rate, FLIP: flip}
    return Trial(number, outcome, score, values, validations, 60.0, **more)


TRIALS = (
    trial(0, 0.5, is_start=True),
    trial(1, 0.4, rate=0.001),
    trial(2, 0.1, rate=0.1, outcome="pruned"),
    trial(3, 0.0, rate=0.1, outcome="failed", reason="<b>not finite</b>"),
    trial(4, 0.6, rate=0.01, flip=0.0),
)
PAGE = SearchPage(
    title="<i>cells</i>",
    trained_on="6 images",
    evaluated_on="2 images",
    num_evaluated_on=2,
    num_trials=8,
    trials=TRIALS,
    space=SPACE,
    start={RATE: 0.02, FLIP: 0.5},
    importances={RATE: 0.75, FLIP: 0.25},
    train_command="singleshot train r.toml",
    test_command="singleshot evaluate r cells --split=test",
    command="singleshot tune",
    recipe="x = 1",
    version="1",
)
