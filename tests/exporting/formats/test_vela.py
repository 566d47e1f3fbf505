import pytest

pytest.importorskip("ethosu.vela")
pytest.importorskip("ai_edge_quantizer")
from small_litert import calibration_batches, copy_of_litert_model, quantization_job
from small_ssd import make_run

import singleshot
from singleshot.errors import ModelError, SingleshotError
from singleshot.exporting.formats.litert.quantize import quantize_model_file
from singleshot.exporting.formats.vela import FORMAT, TARGETS, compile_model


@pytest.fixture(scope="module")
def quantized(tmp_path_factory):
    folder = tmp_path_factory.mktemp("int8")
    quantize_model_file(copy_of_litert_model(folder), calibration_batches(), folder / "int8.tflite")
    return folder / "int8.tflite"


@pytest.mark.parametrize("target", ["ethos-u55-256", "ethos-u65-512", "ethos-u85-1024"])
def test_all_operators_are_on_the_npu(quantized, target, tmp_path):
    assert target in TARGETS
    estimates = compile_model(quantized, target, tmp_path / "model_vela.tflite")
    assert estimates["operators_on_npu"] > 10
    assert estimates["cycles"] == pytest.approx(
        estimates["inference_ms"] * estimates["clock_mhz"] * 1e3, rel=0.05
    )
    assert estimates["sram_kib"] > 0
    assert b"ethos-u" in (tmp_path / "model_vela.tflite").read_bytes()


def test_a_model_in_float_is_refused(tmp_path):
    file = copy_of_litert_model(tmp_path)
    with pytest.raises(ModelError, match="cannot compute"):
        compile_model(file, "ethos-u55-256", tmp_path / "model_vela.tflite")
    assert not (tmp_path / "model_vela.tflite").exists()


def test_the_folder_has_the_model_before_and_after_vela(tmp_path):
    files = FORMAT.int8.quantize(quantization_job(tmp_path))
    assert files.names == ("model.tflite", "model_vela.tflite")
    assert all((tmp_path / name).is_file() for name in files.names)
    assert files.estimates["operators_on_npu"] > 10
    assert files.input.quantization is not None


def test_without_int8_there_is_no_model(tmp_path):
    run = make_run(tmp_path / "run")
    with pytest.raises(SingleshotError, match="8-bit integers only; add --int8 --calibrate"):
        singleshot.export(run, "vela", output=tmp_path / "model")
