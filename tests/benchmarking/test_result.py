import pytest
from benchmark_scene import make_result

from singleshot.benchmarking.result import Latency, phases_of
from singleshot.metrics.speed import Seconds

FIXED = (
    "model runtime precision batch threads preprocess_ms network_ms postprocess_ms total_ms "
    "images_per_second peak_memory_mb size_mb"
)


def test_percentiles_are_in_milliseconds():
    found = Latency.of([number / 1000 for number in range(1, 102)])
    assert (found.min, found.median) == (1, 51)
    assert (found.p90, found.p95, found.p99) == (91, 96, 100)


def test_a_percentile_of_too_few_timings_is_unknown():
    found = Latency.of([0.001] * 19)
    assert found.p90 == pytest.approx(1)
    assert found.p95 is None
    assert found.p99 is None


def test_the_phases_of_a_foreign_detector_are_unknown():
    found = phases_of([Seconds(None, None, None, 0.01)] * 3)
    assert found["network"] is None
    assert found["total"].median == pytest.approx(10)


def test_rows_have_the_fixed_keys_first():
    rows = make_result().to_json()
    assert list(rows[0])[:12] == FIXED.split()
    assert [row["total_ms"] for row in rows] == [43, 10, 11]
    assert rows[1]["precision"] == "int8"
    assert rows[0]["latency"]["network"]["p99"] is None
    assert rows[0]["machine"]["features"] == ["AVX2", "AVX512 VNNI"]
