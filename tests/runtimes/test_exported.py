"""An exported model as a detector: what it refuses, and what it keeps of the detector."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from cells import COLOURS, make_cells
from small_ssd import make_images, make_run

import singleshot
from singleshot.benchmarking.about import with_score_threshold
from singleshot.comparison.compare import name_models
from singleshot.errors import DataError, ModelError, SingleshotError
from singleshot.models.locating import class_names_of, model_files
from singleshot.models.opening import load_trainable
from singleshot.models.summary import facts_of
from singleshot.runtimes.exported import NATIVE

pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("exported") / "run")


@pytest.fixture(scope="module")
def exported(run):
    folder = run.parent / "model"
    singleshot.export(run, "onnx", output=folder, batch=2, skip_timing=True)
    return folder


@pytest.fixture(scope="module")
def detector(exported):
    return singleshot.load(exported, threads=1)


def test_a_batch_of_another_shape_is_refused(detector):
    batch = detector.preprocess(make_images(2))
    assert batch.shape == (2, 64, 96, 3)
    with pytest.raises(
        ModelError, match=r"uint8 \(1, 64, 96, 3\); it takes uint8 \(2, 64, 96, 3\)"
    ):
        detector.infer(batch[:1])
    with pytest.raises(ModelError, match="given a batch of float32"):
        detector.infer(batch.astype(np.float32))


def test_a_runtime_that_fails_is_a_model_error(detector, monkeypatch):
    def fail(_batch):
        raise RuntimeError("out of\nmemory")

    monkeypatch.setattr(detector.engine, "run", fail)
    with pytest.raises(ModelError, match=r"model: onnxruntime .* failed on .*: out of memory"):
        detector.detect(make_images(1))


def test_images_are_refused_as_by_any_detector(detector):
    with pytest.raises(DataError, match=r"image 0: .*float32"):
        detector.detect([make_images(1)[0] / 255])


def test_a_batch_is_filled_up(detector):
    images = make_images(3)
    together = detector.detect(images)
    for image, found in zip(images, together, strict=True):
        (alone,) = detector.detect([image])
        np.testing.assert_allclose(alone.boxes, found.boxes, atol=1e-3)


def test_the_score_threshold_can_be_raised(detector):
    (every,) = detector.detect(make_images(1))
    (sure,) = with_score_threshold(detector, 0.5).detect(make_images(1))
    assert 0 < len(sure) < len(every)
    assert sure.scores.min() > 0.5


def test_a_missing_runtime_is_named(exported, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match=r"onnxruntime .*pip install 'singleshot\[onnx\]'"):
        singleshot.load(exported)


def test_it_has_no_weights_to_train_and_runs_on_the_cpu(exported, run):
    message = f"is an exported model .*{run}/checkpoints/last.safetensors"
    with pytest.raises(ModelError, match=message):
        load_trainable(exported)
    with pytest.raises(ModelError, match="is an exported model"):
        singleshot.export(exported, "onnx")
    with pytest.raises(SingleshotError, match="runs on the CPU"):
        singleshot.load(exported, "cuda")


def test_a_library_in_the_folder_is_loaded_only_on_request(exported, tmp_path, monkeypatch):
    for path in exported.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "libsingleshot_decoder.so").write_bytes(b"not a library")
    singleshot.load(tmp_path)
    monkeypatch.setenv(NATIVE, "1")
    with pytest.raises(ModelError, match=r"libsingleshot_decoder\.so: cannot be loaded"):
        singleshot.load(tmp_path)


def test_score_thresholds_are_kept_in_the_folder(tmp_path):
    make_cells(tmp_path / "cells")
    run, folder = make_run(tmp_path / "run", classes=tuple(COLOURS)), tmp_path / "model"
    singleshot.export(run, "onnx", output=folder, skip_timing=True)
    messages = []
    report = singleshot.evaluate(
        folder, tmp_path / "cells", threshold_rule="fppi=2", on_message=messages.append
    )
    assert not any("not kept" in line for line in messages)
    kept = singleshot.load(folder).score_thresholds()
    assert kept.score_thresholds.tolist() == report.operating_point.score_thresholds.tolist()
    assert singleshot.operating_point(folder) == kept


def test_it_is_compared_by_what_its_manifest_states(exported, detector, run):
    assert facts_of(detector) == facts_of(singleshot.load(run, "cpu"))
    assert model_files(exported) == (exported / "model.onnx",)
    assert class_names_of(exported) == class_names_of(run) == ("cat", "dog", "bird")
    assert [model.num_bytes for model in name_models([run, exported])] == [
        (run / "checkpoints" / "last.safetensors").stat().st_size,
        (exported / "model.onnx").stat().st_size,
    ]


def test_it_describes_itself(detector):
    text = repr(detector)
    assert "ssd detector of 3 classes: cat, dog, bird" in text
    assert "onnx (decoded, float32)" in text
    assert detector.num_boxes == 132
    assert detector.manifest.metrics == {"steps": 7}


def test_detections_have_the_priors_that_pytorch_has(run, detector):
    ours, theirs = (one.detect(make_images(1))[0] for one in (detector, load_trainable(run)))
    assert len(ours.priors.unique()) > 10
    assert ours.priors.tolist() == theirs.priors.tolist()
    assert int(ours.priors.max()) < detector.num_boxes
