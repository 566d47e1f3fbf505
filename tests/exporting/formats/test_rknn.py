# Tests singleshot/exporting/formats/rknn/__init__.py
# Tests singleshot/exporting/formats/rknn/convert.py
# Tests singleshot/exporting/formats/rknn/converter.py

import pytest

pytest.importorskip("onnx")
from small_ssd import make_run, unchecked_shapes

import singleshot
from singleshot.errors import ModelError, SingleshotError
from singleshot.exporting.formats.rknn.convert import RKNN_TOOLKIT


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "small")


def test_without_its_environment_it_is_refused(run, tmp_path, monkeypatch):
    monkeypatch.setenv("SINGLESHOT_CACHE", str(tmp_path))
    monkeypatch.delenv(RKNN_TOOLKIT.variable, raising=False)
    with pytest.raises(SingleshotError, match="rknn needs a Python environment of its own"):
        singleshot.export(run, "rknn", contract="raw", output=tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_model_takes_bytes_and_runs_on_the_board_only(run, tmp_path):
    if RKNN_TOOLKIT.find() is None:
        pytest.skip(f"rknn-toolkit2 has no environment here ({RKNN_TOOLKIT.variable})")
    with unchecked_shapes():
        made = singleshot.export(
            run, "rknn", contract="raw", target="rk3588", output=tmp_path / "model"
        )
    described = made.manifest.input
    assert (described.dtype, described.layout, described.mean) == ("uint8", "NHWC", (0, 0, 0))
    assert (tmp_path / "model" / "model.rknn").read_bytes()[:4] == b"RKNN"
    with pytest.raises(ModelError, match="pip install rknn-toolkit-lite2"):
        singleshot.load(tmp_path / "model")
