# Tests singleshot/exporting/formats/rknn/__init__.py
# Tests singleshot/exporting/formats/rknn/convert.py
# Tests singleshot/exporting/formats/rknn/converter.py
# Tests singleshot/exporting/formats/rknn/simulator.py

from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("onnx")
from cells import COLOURS, make_cells
from small_ssd import make_run, small_ssd, unchecked_shapes

import singleshot
from singleshot.errors import ModelError, RunFailed, SingleshotError
from singleshot.exporting.contracts import contract_network
from singleshot.exporting.formats.format import ExportJob
from singleshot.exporting.formats.rknn.convert import RKNN_TOOLKIT
from singleshot.exporting.formats.rknn.simulator import SimulatorEngine


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "small", classes=tuple(COLOURS))


@pytest.fixture
def toolkit():
    if RKNN_TOOLKIT.find() is None:
        pytest.skip(f"rknn-toolkit2 has no environment here ({RKNN_TOOLKIT.variable})")


@pytest.fixture
def job(tmp_path):
    network = contract_network(small_ssd().exportable(), "raw", "normalized")
    return ExportJob(network, 1, "float32", "rk3566", tmp_path, print)


def test_without_its_environment_it_is_refused(run, tmp_path, monkeypatch):
    monkeypatch.setenv("SINGLESHOT_CACHE", str(tmp_path))
    monkeypatch.delenv(RKNN_TOOLKIT.variable, raising=False)
    with pytest.raises(SingleshotError, match="rknn needs a Python environment of its own"):
        singleshot.export(run, "rknn", contract="raw", output=tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.usefixtures("toolkit")
def test_a_model_takes_bytes_and_runs_on_the_board_only(run, tmp_path):
    with unchecked_shapes():
        made = singleshot.export(
            run, "rknn", contract="raw", target="rk3588", output=tmp_path / "model"
        )
    described = made.manifest.input
    assert (described.dtype, described.layout, described.mean) == ("uint8", "NHWC", (0, 0, 0))
    assert (tmp_path / "model" / "model.rknn").read_bytes()[:4] == b"RKNN"
    with pytest.raises(ModelError, match="pip install rknn-toolkit-lite2"):
        singleshot.load(tmp_path / "model")


@pytest.mark.usefixtures("toolkit")
def test_int8_passes_the_gate_in_the_simulator(run, tmp_path):
    with unchecked_shapes():
        made = singleshot.export(
            run,
            "rknn",
            target="rk3566",
            int8=True,
            calibrate=make_cells(tmp_path / "cells"),
            output=tmp_path / "model",
        )
    assert made.manifest.precision == "int8"
    assert made.manifest.input.dtype == "uint8"
    *_, chosen = made.manifest.quantization["trials"]
    assert chosen["passes"]
    assert 0.001 < chosen["offsets_error"] < 0.12  # rounded, but not to nothing
    assert (tmp_path / "model" / "model.rknn").read_bytes()[:4] == b"RKNN"


@pytest.mark.usefixtures("toolkit")
def test_the_simulator_computes_the_network_batch_after_batch(job):
    size, pixels = job.network.exportable.input_size, job.network.exportable.pixels
    images = np.random.default_rng(0).integers(0, 256, (3, *size, 3), np.uint8)
    with unchecked_shapes():
        engine = SimulatorEngine(job, ())
    found = [engine.run(images[:2]), engine.run(images[2:])]
    mean, std = torch.tensor(pixels.mean), torch.tensor(pixels.std)
    with torch.no_grad():
        normalized = ((torch.from_numpy(images).float() - mean) / std).permute(0, 3, 1, 2)
        expected = job.network(normalized.contiguous())
    for description, values in zip(job.network.outputs(1), expected, strict=True):
        outputs = np.concatenate([one[description.name] for one in found])
        error = np.square(outputs - values.numpy()).mean() / values.square().mean()
        assert error**0.5 < 0.01  # of float16


@pytest.mark.usefixtures("toolkit")
def test_a_failure_of_the_toolkit_is_an_error_with_its_words(job):
    with unchecked_shapes(), pytest.raises(RunFailed, match=r"rknn-toolkit2 failed:\n(.*\n)*.*rk0"):
        SimulatorEngine(replace(job, target="rk0"), ())
