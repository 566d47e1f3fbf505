import pytest

pytest.importorskip("ethosu.vela")
pytest.importorskip("ai_edge_quantizer")
from small_litert import calibration_batches, copy_of_litert_model

from singleshot.errors import ModelError
from singleshot.exporting.formats.vela import TARGETS, compile_model
from singleshot.exporting.quantization.litert import quantize_model_file


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
