"""Checks of a GPU: each passes on the CPU, and fails for a device that computes wrongly."""

from __future__ import annotations

import math

import pytest
import torch
from small import TINY, small
from small_ssd import LEVELS

from benchmarks import gpu, gpu_checks, gpu_timing, gpu_training
from benchmarks.gpu_checks import CPU, Case, Finding, Placement, checks_of_numbers, run_check
from benchmarks.gpu_timing import Row, Timed, count_waits
from singleshot.training import build

# On a CPU a gradient in bfloat16 was not finite now and then, unless oneDNN is off.
pytestmark = pytest.mark.filterwarnings("ignore:TF32 acceleration on top of oneDNN")

SMALL = Case("ssdlite320-lite0", LEVELS | {"model.backbone": TINY, "model.heads.scores": "softmax"})
NORMALISED = Case("ssdlite320-mobilenet-v3", {"model.input": [96, 96]})
CHECKS = checks_of_numbers([SMALL])
RIGHT = Placement(CPU)


class Wrong(Placement):
    """A device whose numbers are wrong."""

    def tensor(self, tensor):
        return (tensor * (1 + 0.5 * torch.rand(tensor.shape))).to(tensor.dtype)

    def model(self, model):
        copy = super().model(model)
        with torch.no_grad():
            for parameter in copy.parameters():
                parameter.mul_(1 + 0.5 * torch.rand(parameter.shape))
        return copy


@pytest.fixture(autouse=True)
def without_onednn(request):
    with torch.backends.mkldnn.flags(enabled="bfloat16" not in request.node.name):
        yield


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return gpu_training.draw_shapes(tmp_path_factory.mktemp("data") / "shapes", 12, side=96)


@pytest.mark.parametrize("name", CHECKS)
def test_a_cpu_computes_as_the_cpu(name):
    finding = run_check(CHECKS[name], RIGHT)
    assert finding.passed, finding


@pytest.mark.parametrize("name", CHECKS)
def test_a_device_with_wrong_numbers_fails(name):
    torch.manual_seed(0)
    finding = run_check(CHECKS[name], Wrong(CPU))
    assert not finding.passed
    # By its number or a gradient, not because the check cannot run.
    assert "Error" not in finding.note


@pytest.mark.parametrize("check", [gpu_checks.check_detections, gpu_checks.check_channels_last])
def test_a_network_with_batch_norm_is_compared_in_the_mode_it_is_in(check):
    assert check(NORMALISED, RIGHT).passed


def test_resuming_is_exact_on_the_cpu(shapes):
    finding = gpu_training.check_resume(shapes, {"model.input": [96, 96]}, RIGHT)
    assert finding == Finding(0.0, 0.0)


def test_resuming_without_the_state_of_the_optimizer_fails(shapes, monkeypatch):
    load = build.load_state

    def without_momentum(path, model, average, optimizer, **options):
        progress = load(path, model, average, optimizer, **options)
        optimizer.state.clear()
        return progress

    monkeypatch.setattr(build, "load_state", without_momentum)
    finding = gpu_training.check_resume(shapes, {"model.input": [96, 96]}, RIGHT)
    assert finding.value > gpu_training.RESUMED["cuda"]


def test_two_epochs_without_a_learning_rate_fail(shapes):
    overrides = {**small("ssdlite320-lite0"), "model.input": [96, 96], "training.steps": None}
    still = {**overrides, "training.learning_rate": 1e-9}
    finding = gpu_training.check_two_epochs(shapes, shapes, still, RIGHT)
    assert not finding.passed
    assert "after 6 steps" in finding.note


def test_an_error_is_a_check_that_failed():
    def check(_):
        raise RuntimeError("CUDA error: no kernel image\nmore")

    finding = run_check(check, RIGHT)
    assert not finding.passed
    assert finding.note == "RuntimeError: CUDA error: no kernel image"


def test_nan_is_not_within_a_limit():
    assert not Finding(math.nan, 1.0).passed
    assert not Finding(math.nan, 0.0, at_least=True).passed


def lines(checks, timings, seconds=1000.0):
    budget = gpu.Budget(seconds, clock=lambda: 0.0)
    return list(gpu.report(checks, timings, RIGHT, budget))


def test_the_verdict_names_the_checks_that_failed():
    checks = {"good": lambda _: Finding(0.0, 1.0), "bad": lambda _: Finding(2.0, 1.0)}
    found = lines(checks, {})
    assert found[-1] == ("\nFAILED: bad", True)
    assert ("| bad | 2 | ≤ 1 | FAILED |", True) in found
    assert gpu.print_all(iter(found))
    assert lines({"good": checks["good"]}, {})[-1] == ("\npassed: all 1 checks", False)


def test_no_time_leaves_out_measurements_and_no_checks():
    found = lines({"bad": lambda _: Finding(2.0, 1.0)}, {"step": lambda: [Row("a", "1")]}, 0.0)
    assert [line for line, _ in found if "left out" in line] == [
        "| step |  |  | left out: no time was left |"
    ]
    assert found[-1] == ("\nFAILED: bad", True)


def test_a_measurement_that_cannot_run_is_a_row_and_no_failure():
    def measure():
        raise RuntimeError("CUPTI is missing")

    found = lines({}, {"waits": measure})
    assert (
        "| waits |  |  | could not be measured: RuntimeError: CUPTI is missing |",
        False,
    ) in found
    assert found[-1][1] is False


def test_waits_and_copies_to_the_host_are_counted_by_step():
    names = ["cudaStreamSynchronize"] * 6 + ["cudaDeviceSynchronize", "aten::item"]
    names += ["Memcpy DtoH (Device -> Pageable)"] * 4 + ["cudaMemcpyAsync"] * 9
    assert count_waits(names, 2) == (3.0, 2.0)


def test_everything_that_is_timed_runs_on_a_cpu(shapes):
    # torchvision's SSD300 and ours on images as small as its last levels take.
    timed = Timed(
        Case("ssdlite320-mobilenet-v3", {"model.input": [96, 96]}),
        "ssdlite320_mobilenet_v3_large",
        batch=2,
        workers=0,
        rounds=1,
        steps=1,
        inference=(1,),
    )
    rows = [
        row for measure in gpu_timing.measurements(timed, shapes, CPU).values() for row in measure()
    ]
    names = [row.name.split(": ")[1] for row in rows]
    assert names == [
        "training step, batch 2, float32",
        "peak memory, float32",
        "waits of the host for the GPU in a step",
        "copies to the host in a step",
        "inference, batch 1, float32, fresh weights",
        "step with its data, 0 workers",
    ]
    assert rows[0].ours.endswith(" ms")
    assert rows[2].ours == "0.0"


def test_without_cuda_it_ends_with_a_line_and_exit_code_2(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as ended:
        gpu.main([])
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "no CUDA device" in printed.err
