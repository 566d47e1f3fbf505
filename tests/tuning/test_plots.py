from search_scene import FLIP, RATE, SPACE, TRIALS

from singleshot.tuning.plots import best_so_far, key_panels


def test_marks_stand_where_their_values_are():
    rate, flip = key_panels(TRIALS, SPACE, {RATE: 0.75, FLIP: 0.25})
    # 0.01 is half way between 0.001 and 0.1 in equal ratios: 42 + 266 / 2.
    assert [one.x for one in rate.marks if one.kind == "best"] == [175.0]
    assert rate.note == "75%"
    left, right = (308 - 42) / 4 + 42, 308 - (308 - 42) / 4
    assert [tick.position for tick in flip.chart.x_ticks] == [left, right]
    lowest = max(one.y for one in rate.marks)
    assert [one.y for one in rate.marks if one.kind == "failed"] == [lowest]


def test_the_best_so_far_only_rises():
    line = best_so_far(TRIALS)
    assert line.xs.tolist() == [0, 1, 1, 4, 4]
    assert line.ys.tolist() == [0.5, 0.5, 0.5, 0.5, 0.6]
