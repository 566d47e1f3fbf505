import pytest

from singleshot.errors import RunFailed
from singleshot.training.divergence import NUM_FIRST, NUM_RECENT, DivergenceCheck


def test_losses_that_stay_twice_as_high_end_the_training():
    check = DivergenceCheck(0.02)
    for step in range(NUM_FIRST):
        check.check_loss(step, 7.0)
    for step in range(NUM_RECENT - 1):
        check.check_loss(step, 16.0)
    with pytest.raises(RunFailed, match=r"step 40: the loss has climbed from 7 to 16.*=0.002;"):
        check.check_loss(40, 16.0)


def test_a_few_high_losses_are_no_climb():
    check = DivergenceCheck(0.02)
    for step in range(300):
        check.check_loss(step, 30.0 if step % 10 == 0 else 7.0)


def test_a_resumed_training_is_compared_with_its_first_steps():
    log = [
        {"kind": "step", "step": step, "localization": 2.0, "classification": 5.0}
        for step in range(1, NUM_FIRST + 1)
    ]
    log.append({"step": NUM_FIRST, "mean_average_precision": 0.3})
    check = DivergenceCheck.resumed(0.02, log, NUM_FIRST)
    assert check.validations == {NUM_FIRST: 0.3}
    assert check.first == [7.0] * NUM_FIRST
    assert not check.recent


@pytest.mark.parametrize("start", [None, 0.01])
def test_a_fall_from_a_start_that_found_next_to_nothing_is_no_fall(start):
    DivergenceCheck(0.02).check_validation(100, start, 0.0)


def test_steps_that_are_taken_again_count_once():
    log = [
        {"kind": "step", "step": step, "localization": 2.0, "classification": 5.0}
        for step in range(1, NUM_FIRST + NUM_RECENT + 1)
    ]
    log.append({"step": NUM_FIRST + NUM_RECENT, "mean_average_precision": 0.3})
    check = DivergenceCheck.resumed(0.02, log, NUM_FIRST + 3)
    assert (len(check.first), len(check.recent)) == (NUM_FIRST, 3)
    assert check.validations == {}
