"""Finding an exported model: by its folder, or one of its files."""

from __future__ import annotations

import json
import shutil

import pytest
from small_ssd import make_run

import singleshot
from singleshot.errors import ModelError
from singleshot.runtimes.artifact import METADATA_KEY, find_artifact

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    run = make_run(tmp_path_factory.mktemp("artifact") / "run")
    folder = run.parent / "model"
    singleshot.export(run, "onnx", output=folder, skip_timing=True)
    return folder


@pytest.fixture
def exported(source, tmp_path):
    return shutil.copytree(source, tmp_path, dirs_exist_ok=True)


def test_an_onnx_file_has_its_manifest_inside(exported):
    (exported / "model.json").unlink()
    artifact = find_artifact(exported / "model.onnx")
    assert artifact.manifest.class_names == ("cat", "dog", "bird")
    assert singleshot.load(exported / "model.onnx").class_names == ("cat", "dog", "bird")


def test_the_paths_of_this_machine_are_not_in_the_file(exported):
    content = (exported / "model.onnx").read_bytes()
    assert b"singleshot/detectors" not in content
    assert b"stack_trace" not in content


def test_a_foreign_onnx_file_is_refused(exported):
    (exported / "model.json").unlink()
    model = onnx.load(str(exported / "model.onnx"))
    del model.metadata_props[:]
    onnx.save(model, str(exported / "model.onnx"))
    with pytest.raises(ModelError, match=r"there is no model\.json beside it"):
        singleshot.load(exported / "model.onnx")


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04"])
def test_what_is_no_onnx_file_is_refused(content, tmp_path):
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ModelError, match="not a whole ONNX model"):
        singleshot.load(tmp_path / "model.onnx")


def test_another_file_beside_the_manifest_is_refused(exported):
    (exported / "other.onnx").write_bytes((exported / "model.onnx").read_bytes())
    with pytest.raises(ModelError, match=r"describes another model: model\.onnx"):
        singleshot.load(exported / "other.onnx")


def test_a_missing_file_is_named(exported):
    (exported / "model.onnx").unlink()
    with pytest.raises(ModelError, match=r"model\.onnx: missing"):
        singleshot.load(exported)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"manifest_version": 2}, "of a newer singleshot"),
        ({"class_names": 5}, "damaged: class_names"),
        ({"files": {}}, "names no files"),
        ({"files": {"../model.onnx": {"bytes": 1, "sha256": ""}}}, "or some outside its folder"),
        ({"colour": "red"}, "damaged: colour"),
        ({"class_names": ["cat"]}, r"damaged: .*1 class names; the scores have shape"),
        ({"decoding": {"priors_float32_base64": "abc"}}, r"damaged: decoding: .*padding"),
        ({"decoding": {"priors_float32_base64": "A" * 64}}, "3 priors; the levels have 132"),
        ({"input": {"size": [0, 96]}}, r"damaged: input\.size\.0"),
    ],
)
def test_a_damaged_manifest_is_refused(change, message, exported):
    document = json.loads((exported / "model.json").read_text())
    for key, value in change.items():
        if key in ("decoding", "input"):
            document[key] |= value
        else:
            document[key] = value
    (exported / "model.json").write_text(json.dumps(document))
    with pytest.raises(ModelError, match=message):
        singleshot.load(exported)


@pytest.mark.parametrize("text", ["{", "[1]", "null"])
def test_damaged_metadata_is_refused(text, exported):
    (exported / "model.json").unlink()
    model = onnx.load(str(exported / "model.onnx"))
    onnx.helper.set_model_props(model, {METADATA_KEY: text})
    onnx.save(model, str(exported / "model.onnx"))
    with pytest.raises(ModelError, match="its metadata is damaged"):
        singleshot.load(exported / "model.onnx")


@pytest.mark.parametrize("text", ["{", "[1]", "null"])
def test_what_is_no_manifest_is_refused(text, exported):
    (exported / "model.json").write_text(text)
    with pytest.raises(ModelError, match=r"model\.json"):
        singleshot.load(exported / "model.onnx")


def test_weights_of_other_formats_are_no_artifacts(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"weights")
    assert find_artifact(tmp_path / "pytorch_model.bin") is None
    (tmp_path / "model.json").write_text('{"format": "layers-model"}')
    assert find_artifact(tmp_path / "pytorch_model.bin") is None
    assert find_artifact(tmp_path) is None


def test_a_folder_of_images_is_no_artifact(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    assert find_artifact(tmp_path) is None
    assert find_artifact(tmp_path / "best.safetensors") is None
