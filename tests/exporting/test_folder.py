"""What lies in the folder of an exported model, and the text of its README."""

from __future__ import annotations

import pytest
from small_folder import small_manifest
from small_ssd import small_ssd

from singleshot.exporting.folder import readme, write_companions
from singleshot.runtimes.manifest import Quantization, ThresholdsRecord

PROGRAMS = {"decoder.hpp", "resize.hpp", "priors.h", "example"}


@pytest.fixture(scope="module")
def detector():
    return small_ssd()


def test_it_has_programs_labels_and_a_readme(detector, tmp_path):
    write_companions(tmp_path, small_manifest(detector))
    names = {path.name for path in tmp_path.iterdir()}
    assert names == PROGRAMS | {"README.md", "detect.py", "labels.txt"}
    assert (tmp_path / "labels.txt").read_text() == "cat\ndog\nbird\n"
    assert {path.name for path in (tmp_path / "example").iterdir()} == {
        "CMakeLists.txt",
        "c_api.cpp",
        "main.cpp",
    }


def test_with_nms_in_the_model_there_is_nothing_to_decode(detector, tmp_path):
    write_companions(tmp_path, small_manifest(detector, "detections"))
    assert not PROGRAMS & {path.name for path in tmp_path.iterdir()}
    assert "NMS is in the model" in (tmp_path / "README.md").read_text()


def test_the_readme_describes_input_and_outputs(detector):
    manifest = small_manifest(detector)
    text = readme(manifest)
    assert "`images`: uint8, NHWC, 1 x 64 x 96 x 3" in text
    assert "Resize it to 96 x 64 (width x height)" in text
    assert "normalisation is in the model" in text
    assert "pip install numpy pillow onnxruntime" in text
    assert "| `logits_0` | 1 x " in text
    assert f"Keep the best {manifest.postprocessing.top_k} of each class" in text
    assert "operating point" not in text
    assert "\n\n\n" not in text


def test_the_readme_describes_normalising_and_quantising(detector):
    manifest = small_manifest(detector)
    quantized = manifest.input.model_copy(
        update={
            "dtype": "int8",
            "mean": (127.5,) * 3,
            "std": (128.0,) * 3,
            "quantization": Quantization(scale=0.0078, zero_point=-1),
        }
    )
    text = readme(manifest.model_copy(update={"input": quantized, "format": "vela"}))
    assert "Subtract the mean (127.5, 127.5, 127.5)" in text
    assert "round(value / 0.0078) + -1, clipped to int8" in text
    assert "`model_vela.tflite` is the one for the NPU" in text


def test_the_readme_has_measured_numbers_and_the_operating_point(detector):
    point = ThresholdsRecord(
        rule="precision=0.9",
        iou_threshold=0.5,
        data="cells (val)",
        score_thresholds={"cat": 0.4, "dog": 0.5, "bird": None},
    )
    text = readme(
        small_manifest(
            detector,
            operating_point=point,
            metrics={"coco": {"AP": 0.31}},
            parity={
                "size_mb": {"pytorch": 17.2, "exported": 4.5},
                "data": "cells (val)",
                "images": 50,
                "runtime": "openvino 2026",
                "outputs": {"logits": {"max_error": 3e-05, "relative_rms": 1e-6}},
                "same_detections": 49,
            },
        )
    )
    assert "(precision=0.9, chosen on cells (val))" in text
    assert "| coco, AP | 0.31 |" in text
    assert "model in openvino 2026, on 50 images (cells (val)):" in text
    assert "| largest error of logits |  | 3.0e-05 |" in text
    assert "| images with the same detections |  | 49 of 50 |" in text
    assert "| size, MB | 17.2 | 4.5 |" in text
