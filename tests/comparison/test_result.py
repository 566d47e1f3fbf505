import json

from comparison_scene import EVIL, detector, make_result, speed

from singleshot.comparison.published import read_published_figures


def test_the_json_names_the_detectors_of_a_pair_and_marks_the_front():
    document = json.loads(json.dumps(make_result().to_json(), allow_nan=False))
    assert [one["on_pareto_front"] for one in document["models"]] == [True, True, False]
    assert document["pairs"][0]["first"] == "fast"
    assert document["pairs"][0]["second"] == EVIL
    assert [one["differs"] for one in document["pairs"]] == [False, True, True]
    assert document["models"][0]["interval"] == [0.45, 0.6]
    assert "published" not in document


def test_published_figures_are_there_if_given():
    figures = tuple(read_published_figures())
    assert len(make_result(published=figures).to_json()["published"]) == len(figures)


def test_memory_is_above_that_of_the_process_without_a_detector():
    assert detector("a", 20.0).memory_mb == 100.0
    assert detector("a", 20.0, memory_before_mb=None).memory_mb is None
    assert detector("a", 20.0, memory_before_mb=400.0).memory_mb == 0.0


def test_latency_is_that_of_single_images():
    assert detector("a", 20.0, speeds=(speed(20.0), speed(90.0, batch=8))).latency_ms == 20.0
