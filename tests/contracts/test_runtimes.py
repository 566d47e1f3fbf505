"""One contract for every runtime, and for every contract of an exported model."""

# Tests singleshot/detectors/common/exportable.py
# Tests singleshot/detectors/ssd/exportable.py
# Tests singleshot/exporting/contracts.py
# Tests singleshot/exporting/export.py
# Tests singleshot/exporting/formats/__init__.py
# Tests singleshot/exporting/formats/executorch/__init__.py
# Tests singleshot/exporting/formats/executorch/convert.py
# Tests singleshot/exporting/formats/format.py
# Tests singleshot/exporting/formats/litert/__init__.py
# Tests singleshot/exporting/formats/litert/convert.py
# Tests singleshot/exporting/formats/litert/converter.py
# Tests singleshot/exporting/formats/litert/postprocess.py
# Tests singleshot/exporting/formats/ncnn.py
# Tests singleshot/exporting/formats/onnx/convert.py
# Tests singleshot/exporting/formats/onnx/detections.py
# Tests singleshot/exporting/formats/openvino/convert.py
# Tests singleshot/exporting/record.py
# Tests singleshot/runtimes/artifact.py
# Tests singleshot/runtimes/exported.py
# Tests singleshot/runtimes/manifest.py
# Tests singleshot/runtimes/standalone/detect.py

from __future__ import annotations

import json
import shutil

import pytest
import torch
from small_ssd import CLASSES, make_images, make_run, small_recipe, small_ssd, unchecked_shapes
from web_runtime import web_runtime

import singleshot
from singleshot.errors import ModelError
from singleshot.exporting.contracts import contract_network
from singleshot.exporting.formats import FORMATS
from singleshot.exporting.formats.litert.convert import LITERT_TORCH
from singleshot.runtimes.standalone.detect import ENGINES
from singleshot.structures import Detector

CASES = [
    (form.name, contract, batch)
    for form in FORMATS
    if form.name in ENGINES and not form.only_int8
    for contract in form.contracts
    for batch in ((1, 0) if form.any_batch else (1,))
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs by the kind of NMS; within models there is no other than "hard"."""
    folder = tmp_path_factory.mktemp("runs")
    return {nms: make_run(folder / nms, recipe_with(nms)) for nms in ("hard", "weighted")}


def recipe_with(nms):
    # Levels of 9 × 13, 5 × 7 and 3 × 4 cells, the coarse ones enlarged by no whole factor.
    return small_recipe(results__nms=nms, input=[72, 104], pyramid__top_down=16)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(map(str, case)))
def exported(request, runs, tmp_path_factory):
    to, contract, batch = request.param
    form = next(one for one in FORMATS if one.name == to)
    for module in form.modules:
        pytest.importorskip(module)
    if to == "litert" and LITERT_TORCH.find() is None:
        pytest.skip(f"litert-torch has no environment here ({LITERT_TORCH.variable})")
    if to == "web":
        web_runtime()
    folder = tmp_path_factory.mktemp(to) / "model"
    with unchecked_shapes():
        run = runs[nms_of(contract)]
        singleshot.export(run, to, contract=contract, batch=batch, output=folder, skip_timing=True)
    return folder


def nms_of(contract):
    return "hard" if contract == "detections" else "weighted"


@pytest.fixture(scope="module")
def loaded(exported):
    return singleshot.load(exported, threads=1)


def test_it_is_a_detector(loaded):
    assert isinstance(loaded, Detector)
    assert loaded.class_names == CLASSES
    assert loaded.detect([]) == []


def test_outputs_are_those_of_pytorch(loaded):
    if loaded.manifest.contract == "detections":
        pytest.skip("detections are compared below")
    taken = loaded.manifest.input
    batch = loaded.preprocess(make_images()[: taken.batch or 2])
    pixels = "uint8" if taken.dtype == "uint8" else "normalized"
    recipe = recipe_with(nms_of(loaded.manifest.contract))
    network = contract_network(small_ssd(recipe).exportable(), loaded.manifest.contract, pixels)
    images = torch.from_numpy(batch)
    if pixels == "normalized" and taken.layout == "NHWC":
        images = images.permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = network(images)
    outputs = loaded.infer(batch)
    for description, tensor in zip(loaded.manifest.outputs, expected, strict=True):
        output = torch.from_numpy(outputs[description.name])
        assert output.shape[1:] == description.shape[1:]
        if description.layout == "NHWC":
            output = output.permute(0, 3, 1, 2)
        torch.testing.assert_close(output, tensor, atol=2e-4, rtol=0)


def test_detections_are_those_of_the_detector(loaded):
    images = make_images(5)
    detector = small_ssd(recipe_with(nms_of(loaded.manifest.contract)))
    for found, expected in zip(loaded.detect(images), detector.detect(images), strict=True):
        assert len(found) > 10
        torch.testing.assert_close(found.scores, expected.scores, atol=1e-4, rtol=0)
        torch.testing.assert_close(found.boxes, expected.boxes, atol=0.02, rtol=0)
        assert found.labels.tolist() == expected.labels.tolist()


def test_a_model_file_alone_is_opened(exported, loaded):
    manifest = json.loads((exported / "model.json").read_text())
    alone = singleshot.load(exported / next(iter(manifest["files"])), threads=1)
    assert alone.manifest == loaded.manifest


def test_a_file_that_is_cut_short_is_refused(exported, tmp_path):
    shutil.copytree(exported, tmp_path, dirs_exist_ok=True)
    for name in json.loads((exported / "model.json").read_text())["files"]:
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ModelError, match=f"{name}: cut short: {len(whole) // 2} of"):
            singleshot.load(tmp_path)
        (tmp_path / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(ModelError, match=f"{name}: not the file that model.json describes"):
            singleshot.load(tmp_path)
        (tmp_path / name).write_bytes(whole)
