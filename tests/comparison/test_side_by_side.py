import numpy as np
import pytest
from comparison_scene import make_page

from singleshot.comparison.side_by_side import errors_of_images, most_disputed
from singleshot.metrics import Predictions, Protocol, Truths

FIRST = [0.0, 0, 10, 10]
TRUTHS = Truths(
    images=np.array([0, 0, 2]),
    boxes=np.array([FIRST, [20, 20, 30, 30], FIRST]),
    labels=np.array([0, 1, 0]),
    difficult=np.zeros(3, bool),
    crowd=np.zeros(3, bool),
    areas=np.full(3, 100.0),
    num_images=3,
)


def test_errors_are_false_negatives_and_false_positives_from_the_thresholds_on():
    predictions = Predictions(
        images=np.array([0, 0, 1, 1, 2]),
        boxes=np.array([FIRST, [50, 50, 60, 60], [0, 0, 5, 5], [0, 0, 5, 5], FIRST]),
        scores=np.array([0.9, 0.8, 0.7, 0.1, 0.4]),
        labels=np.array([0, 1, 0, 0, 0]),
    )
    errors = errors_of_images(
        predictions, TRUTHS, np.array([0.5, 0.5]), protocol=Protocol.COCO, iou_threshold=0.5
    )
    # One missed and one false positive; one false positive; one below its threshold.
    assert errors.tolist() == [2, 1, 1]


def test_images_with_the_most_different_numbers_of_errors_come_first():
    errors = np.array([[0, 3, 1, 2], [0, 0, 1, 1]])
    assert most_disputed(errors, 3) == [1, 3]
    assert most_disputed(errors, 1) == [1]


@pytest.mark.parametrize(("place", "counts"), [(0, (1, 0, 1)), (1, (1, 0, 1)), (2, (0, 0, 2))])
def test_a_view_counts_what_it_shows(place, counts):
    view = make_page().disputed[0].views[place]
    assert tuple(view.count(style) for style in ("tp", "fp", "fn")) == counts
