"""What `export` refuses before it begins."""

# Tests singleshot/exporting/options.py
# Tests singleshot/exporting/request.py
# Tests singleshot/cli/export.py

from __future__ import annotations

import subprocess
import sys

import pytest
from command_line import singleshot
from small_ssd import make_run


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "tflite"], "tflite"),
        (["--to", "onnx", "--int8"], "int8: name the images to calibrate on"),
        (["--to", "onnx", "--half", "--int8", "--calibrate", "x"], "choose --int8 or --half"),
        (["--to", "onnx", "--half"], "half: onnx has no 16-bit floats"),
        (["--to", "onnx", "--target", "moon"], "target: onnx has no target 'moon'"),
        (["--to", "rknn", "--pixels", "uint8"], "pixels: rknn takes normalized, not uint8"),
        (
            ["--to", "onnx", "--target", "jetson", "--pixels", "uint8"],
            "pixels: the target 'jetson' takes normalized, not uint8",
        ),
        (["--to", "onnx", "--output", "."], r"is not empty"),
        (
            ["--to", "onnx", "--download-runtime"],
            "runtime, download_runtime: onnx takes none along",
        ),
        (["--to", "web", "--runtime", "x.tgz"], "x.tgz: cannot be read (No such file"),
        (["--to", "web", "--contract", "raw"], "contract: web has no 'raw'; it has decoded"),
        (
            ["--to", "litert", "--target", "android", "--batch", "2"],
            "batch: litert with detections takes 1 image at a time, not 2",
        ),
        (
            ["--to", "ncnn", "--batch", "2"],
            "batch: ncnn with decoded takes 1 image at a time, not 2",
        ),
    ],
)
def test_what_cannot_be_exported_is_refused(words, message, tmp_path, monkeypatch):
    run = make_run(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    done = singleshot("export", str(run), *words)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (tmp_path / "exports").exists()


def test_a_model_that_is_not_there_is_refused(tmp_path):
    done = singleshot("export", str(tmp_path / "nothing"), "--to", "onnx")
    assert done.exit_code == 2
    assert "nothing" in done.stderr


def test_a_refusal_does_not_wait_for_pytorch(tmp_path):
    run = make_run(tmp_path / "run")
    code = (
        "import sys; from singleshot.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: print(end.code, 'torch' in sys.modules)"
    )
    words = ["export", str(run), "--to", "onnx", "--half"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    assert "half: onnx has no 16-bit floats" in done.stderr
    assert done.stdout.split() == ["2", "False"]
