import pytest

from singleshot.metrics.speed import Seconds, Speed


def test_medians_and_quartiles_in_milliseconds():
    timings = [
        Seconds(0.001, 0.010, 0.001, 0.012),
        Seconds(0.003, 0.030, 0.001, 0.034),
        Seconds(0.002, 0.020, 0.009, 0.031),
    ]
    speed = Speed.of(1, [timings[:1], timings[1:]], peak_memory_mb=100.0)
    assert speed.preprocess_ms == pytest.approx(2)
    assert speed.network_ms == pytest.approx(20)
    assert speed.postprocess_ms == pytest.approx(1)
    assert speed.total_ms == pytest.approx(31)
    assert speed.quartiles_ms == pytest.approx((21.5, 32.5))
    assert speed.rounds_ms == pytest.approx((12, 32.5))
    assert speed.num_timings == 3


def test_a_batch_of_eight_in_two_seconds_is_four_images_a_second():
    speed = Speed.of(8, [[Seconds(None, None, None, 2.0)]])
    assert speed.images_per_second == 4
    assert speed.to_json()["images_per_second"] == 4


def test_phases_without_a_measurement_are_unknown():
    timings = [Seconds(None, None, None, 0.1), Seconds(0.01, 0.08, 0.01, 0.1)]
    assert Speed.of(1, [timings]).network_ms is None


def rounds(*milliseconds):
    return Speed.of(1, [[Seconds(None, None, None, one / 1000)] for one in milliseconds])


def test_a_detector_faster_in_every_round_is_faster():
    others = rounds(11, 21, 31, 11, 21, 31)
    assert rounds(10, 20, 30, 10, 20, 30).is_faster(others)
    assert not rounds(10, 20, 32, 10, 20, 30).is_faster(others)
    assert not others.is_faster(others)


def test_of_few_rounds_each_must_be_clearly_faster():
    assert not rounds(30_000).is_faster(rounds(30_010))
    assert not rounds(10, 24).is_faster(rounds(20, 30))
    assert rounds(10, 22).is_faster(rounds(20, 30))


def test_only_rounds_of_both_detectors_count():
    assert rounds(10, 20, 90).is_faster(rounds(80))
