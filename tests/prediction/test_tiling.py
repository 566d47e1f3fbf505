from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from singleshot.boxes.nms import nms
from singleshot.errors import SingleshotError
from singleshot.prediction import tiling
from singleshot.prediction.tiling import Tiling, cut_sides, merge_tiles, tile_windows
from singleshot.structures import Detections, Detector

INPUT, SMALLEST = 100, 8  # the detector's input, and the shortest side that it detects there


class Rectangles:
    """Detects rectangles, each of a gray value of its own, that are large enough when resized."""

    class_names = ("even", "odd")

    def __init__(self, **options):
        self.postprocess_options = SimpleNamespace(**options) if options else None
        self.batches = []

    def detect(self, images):
        self.batches.append(len(images))
        return [self.detect_in(image) for image in images]

    def detect_in(self, image):
        scale = INPUT / max(image.shape[-2:])
        found = []
        for value in image.unique().tolist()[1:]:
            rows, columns = (image[0] == value).nonzero().T
            box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            if min(box[2] - box[0], box[3] - box[1]) * scale >= SMALLEST:
                found.append([*map(float, box), value])
        rows = torch.tensor(found).reshape(-1, 5)
        return Detections(rows[:, :4], 0.5 + rows[:, 4] / 1000, rows[:, 4].long() % 2)


def drawn(size, boxes):
    image = torch.zeros(3, *size, dtype=torch.uint8)
    for value, (x1, y1, x2, y2) in enumerate(boxes, start=1):
        image[:, y1:y2, x1:x2] = value
    return image


def boxes_found(detector, image):
    (found,) = detector.detect([image])
    assert (found.scores.diff() <= 0).all()
    return sorted(tuple(box) for box in found.boxes.tolist())


def test_tiles_cover_the_image_evenly_and_overlap_enough():
    assert tile_windows((100, 250), (100, 100), 0.2) == [
        (0, 0, 100, 100),
        (75, 0, 175, 100),
        (150, 0, 250, 100),
    ]
    windows = tile_windows((977, 1403), (240, 320), 0.25)
    for first, length, side in ((0, 1403, 320), (1, 977, 240)):
        starts = sorted({window[first] for window in windows})
        assert (starts[0], starts[-1]) == (0, length - side)
        assert max(b - a for a, b in pairwise(starts)) <= 0.75 * side
    assert {(x2 - x1, y2 - y1) for x1, y1, x2, y2 in windows} == {(320, 240)}


def test_an_image_within_one_tile_is_detected_in_as_it_is():
    detector = Rectangles()
    image = drawn((90, 100), [(10, 10, 40, 40)])
    assert boxes_found(Tiling(detector, (100, 100)), image) == [(10, 10, 40, 40)]
    assert detector.batches == [1]
    assert tile_windows((90, 300), (100, 100), 0) != []


def test_small_objects_are_found_in_tiles_each_once_and_whole():
    # 20 pixels of 1,000 are 2 of the input's 100, and 10 in a tile of 200.
    boxes = [(x, y, x + 20, y + 20) for x in range(5, 980, 51) for y in range(5, 980, 190)]
    image = drawn((1000, 1000), boxes)
    assert boxes_found(Rectangles(), image) == []
    assert boxes_found(Tiling(Rectangles(), (200, 200)), image) == sorted(boxes)


def test_large_objects_come_from_the_whole_image():
    boxes = [(100, 100, 700, 800), (720, 40, 740, 60)]
    image = drawn((1000, 1000), boxes)
    assert boxes_found(Tiling(Rectangles(), (200, 200)), image) == boxes


@pytest.mark.parametrize("box", [(130, 40, 210, 60), (40, 130, 60, 210), (110, 110, 215, 225)])
def test_objects_larger_than_the_overlap_are_joined(box):
    # Tiles of 200 of 1,000 overlap by 40; 80 pixels of 1,000 are 8 of the input's 100.
    image = drawn((1100, 1100), [box])
    assert not boxes_found(Rectangles(), image) or min(box[2] - box[0], box[3] - box[1]) > 80
    assert boxes_found(Tiling(Rectangles(), (200, 200)), image) == [box]


def test_neighbours_of_different_classes_or_heights_are_not_joined():
    apart = [
        Detections(torch.tensor([box]), torch.tensor([0.9]), torch.tensor([label]))
        for box, label in (([150.0, 40, 200, 80], 0), ([0.0, 40, 60, 80], 1))
    ]
    windows = [(0, 0, 200, 200), (160, 0, 360, 200)]
    none = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))

    def merged(parts):
        def hard(found):
            return found[nms(found.boxes, found.scores, found.labels, 0.45)]

        return merge_tiles(none, parts, windows, (200, 360), hard).boxes.tolist()

    assert len(merged(apart)) == 2
    same = [apart[0], Detections(apart[1].boxes, apart[1].scores, apart[0].labels)]
    assert merged(same) == [[150, 40, 220, 80]]
    lower = [apart[0], Detections(apart[1].boxes + 30, apart[1].scores, apart[0].labels)]
    assert len(merged(lower)) == 2


def test_sides_at_the_border_of_the_image_are_not_cut():
    boxes = torch.tensor([[0.0, 0, 100, 100], [3.0, 20, 50, 99.2]])
    assert cut_sides(boxes, (0, 0, 100, 100), (300, 300)).tolist() == [
        [False, False, True, True],
        [False, False, False, True],
    ]
    assert not cut_sides(boxes, (0, 0, 100, 100), (100, 100)).any()


def test_tiles_go_through_the_detector_in_batches():
    detector = Rectangles()
    Tiling(detector, (100, 100), batch_size=4).detect([drawn((300, 300), [])])
    assert detector.batches == [1, *[4] * 4]


@pytest.mark.parametrize("rule", ["hard", "distance", "weighted", "soft"])
def test_the_detectors_own_nms_merges(rule):
    detector = Rectangles(nms=rule, iou_threshold=0.45)
    image = drawn((300, 300), [(80, 80, 100, 100)])
    assert boxes_found(Tiling(detector, (100, 100), overlap=0.5), image) == [(80, 80, 100, 100)]


def test_it_is_a_detector_with_the_thresholds_and_source_of_its_own():
    detector = Rectangles()
    tiling = Tiling(detector, "100x100")
    assert isinstance(tiling, Detector)
    assert tiling.class_names == detector.class_names
    assert tiling.score_thresholds is tiling.source is None
    detector.source = Path("here")
    assert tiling.source == Path("here")


@pytest.mark.parametrize("numbers", [{"overlap": 1.0}, {"overlap": -0.1}, {"batch_size": 0}])
def test_numbers_out_of_bounds_are_named(numbers):
    with pytest.raises(SingleshotError, match=next(iter(numbers))):
        Tiling(Rectangles(), (100, 100), **numbers)


def test_pairs_of_boxes_are_compared_in_parts(monkeypatch):
    image = drawn((300, 300), [(70, 20, 130, 80), (150, 150, 170, 170), (20, 250, 290, 280)])
    expected = boxes_found(Tiling(Rectangles(), (100, 100)), image)
    monkeypatch.setattr(tiling, "PAIRS_AT_ONCE", 1)
    assert boxes_found(Tiling(Rectangles(), (100, 100)), image) == expected
    assert len(expected) == 3
