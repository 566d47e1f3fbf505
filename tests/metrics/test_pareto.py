import pytest
from hypothesis import given
from hypothesis import strategies as st

from singleshot.metrics.pareto import pareto_front, pareto_front_by_cost


def test_the_front_by_hand():
    #         fast, poor  slower, better  slower, worse  slow, best  slow, poor
    costs = [10, 20, 25, 100, 120]
    accuracies = [0.5, 0.7, 0.6, 0.9, 0.4]
    assert pareto_front_by_cost(costs, accuracies) == [True, True, False, True, False]


def test_of_equal_costs_only_the_better_is_on_the_front():
    assert pareto_front_by_cost([10, 10], [0.5, 0.6]) == [False, True]


def test_of_equal_accuracies_only_the_cheaper_is_on_the_front():
    assert pareto_front_by_cost([10, 20], [0.5, 0.5]) == [True, False]


def test_twins_are_both_on_the_front():
    assert pareto_front_by_cost([10, 10, 30], [0.5, 0.5, 0.4]) == [True, True, False]


def test_what_is_unknown_is_not_on_the_front_and_beats_nobody():
    assert pareto_front_by_cost([None, 10, 5], [0.9, 0.5, None]) == [False, True, False]


def test_of_two_with_about_equal_costs_the_better_is_on_the_front():
    costs = [100, 99, 50]
    assert pareto_front_by_cost(costs, [0.8, 0.7, 0.6]) == [True, True, True]
    by_a_tenth = pareto_front([0.8, 0.7, 0.6], lambda one, other: costs[one] < 0.9 * costs[other])
    assert by_a_tenth == [True, False, True]


def test_a_detector_that_is_dominated_dominates_none():
    """The second ties in time with both others, but the third is faster than the first."""
    rounds = [[10.0, 10.0], [9.0, 11.0], [8.0, 9.5]]

    def is_faster(one, other):
        return all(own < others for own, others in zip(rounds[one], rounds[other], strict=True))

    assert is_faster(2, 0)
    assert not any(is_faster(*pair) for pair in ((0, 1), (1, 0), (1, 2), (0, 2)))
    assert pareto_front([0.9, 0.8, 0.7], is_faster) == [True, False, True]


@pytest.mark.parametrize("cheaper", [{(2, 0)}, {(2, 0), (1, 0)}])
def test_that_nothing_on_the_front_beats_is_on_the_front(cheaper):
    """Accuracies .90, .85 and .80; the third is cheaper than the first alone."""
    front = pareto_front([0.90, 0.85, 0.80], lambda one, other: (one, other) in cheaper)
    assert front == [True, (1, 0) in cheaper, (1, 0) not in cheaper]


@given(
    accuracies=st.lists(st.sampled_from([0.5, 0.6, 0.7, None]), min_size=1, max_size=6),
    rounds=st.lists(st.tuples(*[st.integers(1, 4)] * 2), min_size=6, max_size=6),
)
def test_every_detector_off_the_front_is_dominated_by_one_on_it(accuracies, rounds):
    def is_faster(one, other):
        return all(own < others for own, others in zip(rounds[one], rounds[other], strict=True))

    def dominates(one, other):
        return (
            accuracies[one] >= accuracies[other]
            and not is_faster(other, one)
            and (accuracies[one] > accuracies[other] or is_faster(one, other))
        )

    front = pareto_front(accuracies, is_faster)
    known = [index for index, value in enumerate(accuracies) if value is not None]
    best = [index for index in known if front[index]]
    assert not any(front[index] for index in range(len(front)) if index not in known)
    assert not any(dominates(one, other) for one in best for other in best)
    assert all(any(dominates(one, other) for one in best) for other in known if not front[other])
