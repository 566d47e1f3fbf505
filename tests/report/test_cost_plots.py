import math
from itertools import combinations

import pytest

from singleshot.metrics.intervals import AccuracyEstimate
from singleshot.metrics.pareto import pareto_front_by_cost
from singleshot.report.cost_plots import (
    LARGE,
    Grouping,
    cost_plot,
    do_overlap,
    label_block,
    place_names,
)


def grouping(count: int) -> Grouping:
    return Grouping(("ssd",) * count, ("vgg16",) * count)


def plot(costs, accuracies, names=None, **options):
    estimates = [AccuracyEstimate(accuracy, None, None) for accuracy in accuracies]
    names = names or [f"model {place}" for place in range(len(costs))]
    options.setdefault("grouping", grouping(len(costs)))
    options["on_front"] = pareto_front_by_cost(costs, accuracies)
    return cost_plot("Speed", "ms", costs, estimates, names, y_label="mAP", **options)


def test_equal_ratios_of_cost_are_equally_far_apart():
    marks = plot([10, 100, 1000], [0.5, 0.6, 0.7]).marks
    assert marks[1].x - marks[0].x == pytest.approx(marks[2].x - marks[1].x, abs=0.2)


def test_better_is_higher_and_slower_further_to_the_right():
    slow, fast = plot([200, 20], [0.9, 0.5]).marks
    assert slow.x > fast.x
    assert slow.y < fast.y  # of SVG, whose y points down


def test_the_front_line_goes_level_to_the_next_more_accurate_detector_and_then_up():
    drawn = plot([10, 100, 50], [0.5, 0.9, 0.4])
    low, high, beaten = drawn.marks
    points = [tuple(map(float, point.split(","))) for point in drawn.front.split()]
    assert points == [
        (low.x, low.y),
        (high.x, low.y),
        (high.x, high.y),
        (drawn.size.right, high.y),
    ]
    assert [one.on_front for one in drawn.marks] == [True, True, False]
    assert beaten.text == "model 2: 0.400 at 50 ms"


def test_intervals_stay_in_the_plot():
    estimates = [AccuracyEstimate(0.02, 0.0, 0.3), AccuracyEstimate(0.98, 0.9, 1.0)]
    options = {"on_front": [True, True], "y_label": "mAP", "grouping": grouping(2)}
    drawn = cost_plot("Speed", "ms", [1, 2], estimates, ["a", "b"], **options)
    for mark in drawn.marks:
        low, high = mark.interval
        assert drawn.size.top <= high < mark.y < low <= drawn.size.bottom


def test_equal_detectors_have_a_plot():
    assert len(plot([10, 10], [0.5, 0.5]).x_ticks) >= 1


def test_marks_at_the_same_place_are_drawn_side_by_side():
    marks = plot([10, 10, 10, 100], [0.5, 0.5, 0.5, 0.9]).marks
    for one, other in combinations(marks, 2):
        assert math.dist(one.position, other.position) >= 15
    assert len({one.y for one in marks[:3]}) == 1
    assert marks[0].x == min(one.x for one in plot([10, 100], [0.5, 0.9]).marks)


def test_the_form_is_the_framework_and_the_colour_the_backbone():
    groups = Grouping(("ssd", "ssd", "faster-rcnn"), ("vgg16", "resnet101", "resnet101"))
    first, second, third = plot([10, 20, 30], [0.5, 0.6, 0.7], grouping=groups).marks
    assert first.outline == second.outline != third.outline
    assert first.colour != second.colour == third.colour
    assert [one.name for one in groups.key] == ["ssd", "faster-rcnn", "vgg16", "resnet101"]
    assert grouping(3).key == ()


def test_a_cost_unknown_of_one_detector_has_no_plot():
    assert plot([10, None], [0.5, 0.6]) is None
    assert plot([10, 20], [0.5, None]) is None


def test_names_of_a_dozen_detectors_do_not_cover_each_other():
    names = [f"runs/detector-{place}" for place in range(12)]
    places = [(120.0 + 55 * (place % 6), 80.0 + 60 * (place // 6)) for place in range(12)]
    labels = place_names(places, names, LARGE)
    blocks = [
        label_block(label, 6.0 * len(name)) for label, name in zip(labels, names, strict=True)
    ]
    covered = sum(do_overlap(one, other) for one, other in combinations(blocks, 2))
    assert covered == 0


def test_names_of_detectors_at_the_bottom_leave_the_ticks_free():
    places = [(200.0, LARGE.bottom), (240.0, LARGE.bottom)]
    labels = place_names(places, ["localizer", "yolo-v1"], LARGE)
    assert max(label_block(label, 54.0)[3] for label in labels) <= LARGE.bottom
    assert labels[0] != labels[1]
