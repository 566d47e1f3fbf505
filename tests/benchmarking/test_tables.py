from benchmark_scene import make_result

from singleshot.benchmarking.tables import format_benchmark


def cells(text: str, line: int) -> str:
    return " ".join(text.splitlines()[line].split())


def test_every_setting_has_a_row_in_both_tables():
    text = format_benchmark(make_result().to_json())
    head, latencies, throughput, checks = text.split("\n\n")
    assert "a processor (AVX2, AVX512 VNNI), 2 cores" in head
    assert cells(latencies, 2) == "small openvino int8 1 1 1 1.00 7.00 2.00 10.0 9.00 11.0 12.0 -"
    assert cells(throughput, 3) == "small openvino int8 1 1 2 190 900 4.20 - 12.5 0.01"
    assert cells(checks, 1).endswith("pytorch 40.0 40.1 39.9 a tool")
