import subprocess
from types import SimpleNamespace

import numpy as np
import pytest
from small_ssd import make_images, make_run, unchecked_shapes

import singleshot
from singleshot.benchmarking import network_check, runtime_tools
from singleshot.benchmarking.about import about_detector, with_score_threshold
from singleshot.benchmarking.network_check import time_network
from singleshot.benchmarking.phases import time_detections
from singleshot.benchmarking.runtime_tools import ToolTiming, time_with_own_tool
from singleshot.errors import SingleshotError


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A detector for each format and contract, opened."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("openvino")
    folder = tmp_path_factory.mktemp("exported")
    run = make_run(folder / "run")
    opened = {}
    for to, contract in (("onnx", "decoded"), ("openvino", "raw"), ("onnx", "detections")):
        output = folder / f"{to}-{contract}"
        with unchecked_shapes():
            singleshot.export(run, to, contract=contract, output=output, skip_timing=True)
        opened[to, contract] = singleshot.load(output, threads=1)
    return opened


def test_a_loop_with_bound_tensors_runs_an_onnx_file(exported, monkeypatch):
    monkeypatch.setattr(runtime_tools, "SECONDS", 0.05)
    monkeypatch.setattr(network_check, "SECONDS", 0.05)
    found = time_network(exported["onnx", "decoded"])
    assert found["plain_ms"] > 0
    assert found["own_ms"] > 0
    assert found["own_tool"] == "IOBinding"


@pytest.mark.parametrize(
    "line", ["[ INFO ]    Median:        4.32 ms", "Inference (median):    4.32 ms"]
)
def test_the_median_that_a_tool_prints_is_read(line, exported, monkeypatch):
    calls = []

    def run(words, **_options):
        calls.append(words)
        return SimpleNamespace(stdout=f"[ INFO ] Average: 5 ms\n{line}\n")

    monkeypatch.setattr(subprocess, "run", run)
    detector = exported["openvino", "raw"]
    assert time_with_own_tool(detector, np.zeros(1), 2) == ToolTiming(4.32, "benchmark_app")
    (words,) = calls
    assert words[words.index("-nthreads") + 1] == "2"
    assert words[words.index("-infer_precision") + 1] == "f32"
    assert words[words.index("-m") + 1].endswith("model.xml")


def test_a_tool_that_fails_leaves_no_number(exported, monkeypatch):
    monkeypatch.setattr(runtime_tools, "BENCHMARK_APP", "raise SystemExit(1)")
    assert time_with_own_tool(exported["openvino", "raw"], np.zeros(1), 1) is None


def test_an_exported_model_is_described(exported):
    about = about_detector(exported["openvino", "raw"], [])
    assert (about["runtime"], about["precision"]) == ("openvino", "float32")
    assert about["runtime_version"][0].isdecimal()


def test_phases_of_an_exported_model_are_timed(exported):
    for detector in exported.values():
        (found,) = time_detections(detector, [make_images()[:1]])
        assert min(found) > 0


@pytest.mark.parametrize("key", [("onnx", "decoded"), ("openvino", "raw")])
def test_a_higher_score_threshold_leaves_fewer_detections(key, exported):
    image = make_images()[0]
    (every,) = exported[key].detect([image])
    (few,) = with_score_threshold(exported[key], 0.999).detect([image])
    assert len(every) > len(few)
    assert len(exported[key].detect([image])[0]) == len(every)


def test_a_threshold_within_the_model_cannot_be_changed(exported):
    with pytest.raises(SingleshotError, match="built in: leave out --score-threshold"):
        with_score_threshold(exported["onnx", "detections"], 0.5)
