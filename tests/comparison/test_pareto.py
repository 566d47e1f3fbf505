from singleshot.comparison.pareto import front_of, pareto_front


def test_the_front_by_hand():
    #         fast, poor  slower, better  slower, worse  slow, best  slow, poor
    costs = [10, 20, 25, 100, 120]
    worths = [0.5, 0.7, 0.6, 0.9, 0.4]
    assert pareto_front(costs, worths) == [True, True, False, True, False]


def test_of_equal_costs_only_the_better_is_on_the_front():
    assert pareto_front([10, 10], [0.5, 0.6]) == [False, True]


def test_of_equal_worths_only_the_cheaper_is_on_the_front():
    assert pareto_front([10, 20], [0.5, 0.5]) == [True, False]


def test_twins_are_both_on_the_front():
    assert pareto_front([10, 10, 30], [0.5, 0.5, 0.4]) == [True, True, False]


def test_what_is_unknown_is_not_on_the_front_and_beats_nobody():
    assert pareto_front([None, 10, 5], [0.9, 0.5, None]) == [False, True, False]


def test_of_two_that_cost_the_same_as_far_as_can_be_told_the_better_is_on_the_front():
    costs = [100, 99, 50]
    assert pareto_front(costs, [0.8, 0.7, 0.6]) == [True, True, True]
    by_a_tenth = front_of([0.8, 0.7, 0.6], lambda one, other: costs[one] < 0.9 * costs[other])
    assert by_a_tenth == [True, False, True]
