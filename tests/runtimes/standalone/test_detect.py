"""The program of an exported folder against the package, in NumPy and with its C++ library."""

# Tests singleshot/runtimes/standalone/decoding.py
# Tests singleshot/runtimes/standalone/engines.py
# Tests singleshot/runtimes/standalone/image_files.py
# Tests singleshot/runtimes/standalone/model_files.py
# Tests singleshot/runtimes/standalone/native.py
# Tests singleshot/runtimes/standalone/resizing.py
# Tests singleshot/runtimes/standalone/selection.py

from __future__ import annotations

import base64
import dataclasses
import json
import math
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from small_folder import Compiler, small_manifest
from small_ssd import make_images, small_recipe, small_ssd

from singleshot.detectors.common.resize import resize
from singleshot.detectors.ssd.postprocess import postprocess
from singleshot.exporting.folder import FILES
from singleshot.runtimes.standalone import detect

SIZE = (480, 640)
KINDS = ["hard", "distance", "soft", "weighted"]
RESIZES = ["antialias", "opencv", "torchvision", "tensorflow1", "darknet"]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("library") / "libsingleshot_decoder.so"
    source = FILES / "example" / "c_api.cpp"
    Compiler("g++", ("-O2", "-shared", "-fPIC", "-fvisibility=hidden")).build(source, path)
    return path


@pytest.fixture(scope="module", params=["softmax", "sigmoid"])
def detector(request):
    classification = "mined" if request.param == "softmax" else "focal"
    recipe = small_recipe(heads__scores=request.param, loss__classification=classification)
    return small_ssd(recipe)


def random_outputs(manifest, seed):
    """Raw outputs with NaN and infinity; where rounding allows, with many equal scores."""
    random = np.random.default_rng(seed)
    sigmoid = manifest.decoding.scores == "sigmoid"
    outputs = {}
    for output in manifest.outputs:
        spread = 6 if output.kind == "logits" else 3
        values = spread / 2 * random.standard_normal(output.shape)
        if sigmoid:
            values = np.round(2 * values) / 2
        if seed % 2:
            wild = random.random(output.shape) < 0.01
            values[wild] = random.choice([math.nan, math.inf, -math.inf, 3e38], wild.sum())
        outputs[output.name] = values.astype(np.float32)
    return outputs


def by_the_package(detector, outputs, options):
    parts = {"offsets": [], "logits": []}
    for name, values in outputs.items():
        kind = name.split("_")[0]
        width = 4 if kind == "offsets" else detector.heads.num_columns
        rows = torch.from_numpy(values).permute(0, 2, 3, 1)
        parts[kind].append(rows.reshape(1, -1, width))
    offsets, logits = (torch.cat(parts[kind], dim=1) for kind in ("offsets", "logits"))
    priors, scores = detector.priors_cxcywh_unit, detector.heads.scores
    return postprocess(offsets, logits, priors, [SIZE], scores=scores, options=options)[0]


def transposed(outputs, manifest):
    """The same outputs with channels last, and their manifest."""
    described = tuple(output.model_copy(update={"layout": "NHWC"}) for output in manifest.outputs)
    moved = {name: values.transpose(0, 2, 3, 1) for name, values in outputs.items()}
    return moved, manifest.model_copy(update={"outputs": described})


def require_equal(rows, expected):
    assert rows[:, 5].tolist() == expected.labels.tolist()
    np.testing.assert_allclose(rows[:, 4], expected.scores, atol=1e-6)
    np.testing.assert_allclose(rows[:, :4], expected.boxes, atol=5e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("native", [False, True], ids=["numpy", "library"])
def test_random_outputs_are_detected_in_as_by_the_package(detector, kind, native, request):
    library = request.getfixturevalue("library") if native else None
    for seed in range(20):
        options = dataclasses.replace(
            detector.postprocess_options,
            nms=kind,
            top_k=(400, 30)[seed // 2 % 2],
            keep=(200, 40)[seed // 4 % 2],
            clip_before_nms=seed % 3 == 0,
            score_threshold=(0.01, 0.3)[seed // 8 % 2],
        )
        manifest = small_manifest(detector, "raw", options)
        outputs = random_outputs(manifest, seed)
        expected = by_the_package(detector, outputs, options)
        for theirs, described in ((outputs, manifest), transposed(outputs, manifest)):
            document = described.to_json()
            loaded = detect.Native(library, document) if library else None
            model = detect.Model(document, detect.Engine(), loaded)
            require_equal(model.postprocess(theirs, SIZE), expected)


@pytest.mark.parametrize("native", [False, True], ids=["numpy", "library"])
def test_nothing_above_the_threshold_is_no_detection(native, request):
    library = request.getfixturevalue("library") if native else None
    recipe = small_recipe(heads__scores="sigmoid", loss__classification="focal")
    for contract in ("raw", "decoded"):
        document = small_manifest(small_ssd(recipe), contract).to_json()
        value = -30 if contract == "raw" else 0
        outputs = {
            one["name"]: np.full(one["shape"], value, np.float32) for one in document["outputs"]
        }
        loaded = detect.Native(library, document) if library else None
        model = detect.Model(document, detect.Engine(), loaded)
        assert model.postprocess(outputs, SIZE).shape == (0, 6)


@pytest.mark.parametrize("how", RESIZES)
@pytest.mark.parametrize("native", [False, True], ids=["numpy", "library"])
def test_images_are_resized_as_by_the_package(how, native, request, random):
    resizer = detect.resize
    if native:
        library = request.getfixturevalue("library")
        resizer = detect.Native(library, small_manifest(small_ssd()).to_json()).resize
    sizes = [((480, 640), (300, 300)), ((37, 200), (64, 33)), ((1, 1), (32, 32)), ((9, 5), (9, 5))]
    for (height, width), size in sizes:
        image = torch.randint(256, (height, width, 3), generator=random, dtype=torch.uint8)
        found = torch.from_numpy(resizer(image.numpy(), size, how)).float()
        expected = resize(image.permute(2, 0, 1), size, how).permute(1, 2, 0)
        # Bytes are the same; fractions differ in the order of additions.
        tolerance = 0 if how in ("antialias", "opencv") else 2e-3
        torch.testing.assert_close(found, expected, atol=tolerance, rtol=0)


@pytest.fixture
def image():
    return make_images()[1].permute(1, 2, 0).numpy()


def test_images_are_read_from_npy_ppm_and_png(image, tmp_path):
    height, width = image.shape[:2]
    np.save(tmp_path / "a.npy", image)
    header = b"P6\n# a comment\n%d %d\n255\n" % (width, height)
    (tmp_path / "a.ppm").write_bytes(header + image.tobytes())
    Image.fromarray(image).save(tmp_path / "a.png")
    for name in ("a.npy", "a.ppm", "a.png"):
        np.testing.assert_array_equal(detect.read_image(str(tmp_path / name)), image)


def test_without_pillow_opencv_reads_images(image, tmp_path, monkeypatch):
    pytest.importorskip("cv2")
    Image.fromarray(image).save(tmp_path / "a.png")
    monkeypatch.setitem(sys.modules, "PIL", None)
    np.testing.assert_array_equal(detect.read_image(str(tmp_path / "a.png")), image)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(detect.ModelFileError, match="Pillow is needed to read it"):
        detect.read_image(str(tmp_path / "a.png"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.ppm", b"P5 1 1 255 a", "not a binary PPM"),
        ("a.ppm", b"P6 9 9 255 abc", "cut short: 9 x 9"),
        ("a.png", b"no image", r"a.png: Pillow cannot read it \(cannot identify image"),
        ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", r"a.png: Pillow cannot read it"),
        ("a.npy", b"no array", r"a.npy: no array of numbers"),
        ("a.npy", b"", r"a.npy: no array of numbers"),
        ("a.npy", b"PK\x03\x04", r"a.npy: no array of numbers"),
    ],
)
def test_a_broken_image_is_refused(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(detect.ModelFileError, match=message):
        detect.read_image(str(tmp_path / name))


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 4), (0, 8, 3)])
def test_what_is_no_image_of_three_bytes_is_refused(shape):
    model = detect.Model(small_manifest(small_ssd()).to_json(), detect.Engine())
    with pytest.raises(detect.ModelFileError, match=r"the image: expected RGB, uint8"):
        model.preprocess(np.zeros(shape, np.uint8))


def test_a_library_that_is_none_is_refused(tmp_path):
    (tmp_path / "libsingleshot_decoder.so").write_bytes(b"nothing")
    with pytest.raises(detect.ModelFileError, match="cannot be loaded"):
        detect.Native.find(tmp_path, small_manifest(small_ssd()).to_json())


class OneBox(detect.Engine):
    """A model that finds one box of the second class, of the contract `detections`."""

    def run(self, batch):
        assert batch.shape == (1, 64, 96, 3)
        row = [0.25, 0.5, 0.75, 1.0, 0.9, 1]
        return {"detections": np.array([[row, [0] * 5 + [-1]]], np.float32)}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    manifest = small_manifest(small_ssd(), "detections")
    (tmp_path / "model.json").write_text(manifest.to_text())
    monkeypatch.setattr(detect, "check_files", lambda folder, _: folder)
    monkeypatch.setattr(detect, "open_engine", lambda *_: OneBox())
    return tmp_path


def test_the_program_prints_what_predict_prints(folder, image, capsys):
    np.save(folder / "a.npy", image)
    path = str(folder / "a.npy")
    words = [path, "--model", str(folder), "--json", "--draw", str(folder / "drawn")]
    assert detect.main(words) == 0
    height, width = image.shape[:2]
    box = [width / 4, height / 2, width * 3 / 4, height]
    assert json.loads(capsys.readouterr().out) == [
        {
            "image": path,
            "width": width,
            "height": height,
            "detections": [{"box": box, "label": "dog", "score": 0.9}],
        }
    ]
    with Image.open(folder / "drawn" / "a.png") as drawn:
        assert drawn.size == (width, height)


def test_scores_below_the_threshold_are_not_printed(folder, image, capsys):
    np.save(folder / "a.npy", image)
    words = [str(folder / "a.npy"), "--model", str(folder), "--score-threshold", "0.95"]
    assert detect.main(words) == 0
    assert "0 found" in capsys.readouterr().out


def test_a_missing_model_ends_with_2(tmp_path, capsys):
    assert detect.main([str(tmp_path / "a.npy"), "--model", str(tmp_path)]) == 2
    assert (
        "model.json: missing: it describes the model; copy the whole folder"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "model.json: damaged: Expecting"),
        ("[]", "not the manifest of an exported model"),
        ('{"manifest_version": 2}', "manifest version 2, known is 1: use the detect.py that"),
        ('{"manifest_version": 1, "format": "onnx"}', "damaged: no contract, class_names, files"),
    ],
)
def test_a_damaged_manifest_ends_with_2(content, message, tmp_path, capsys):
    (tmp_path / "model.json").write_text(content)
    assert detect.main([str(tmp_path / "a.npy"), "--model", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("files", [{}, ["model.onnx"]])
def test_a_manifest_without_files_is_refused(files, tmp_path):
    document = small_manifest(small_ssd()).to_json() | {"files": files}
    with pytest.raises(detect.ModelFileError, match=r"model\.json: damaged: names no files"):
        detect.check_files(tmp_path, document)


@pytest.mark.parametrize("change", [{"size": [0, 0]}, {"size": None}, {"std": "red"}])
def test_impossible_numbers_in_a_manifest_end_with_2(change, folder, image, capsys):
    np.save(folder / "a.npy", image)
    document = json.loads((folder / "model.json").read_text())
    document["input"] |= change
    (folder / "model.json").write_text(json.dumps(document))
    assert detect.main([str(folder / "a.npy"), "--model", str(folder)]) == 2
    assert capsys.readouterr().err.startswith("Error: ")


def test_a_runtime_that_fails_ends_with_2(folder, image, capsys, monkeypatch):
    def fail(batch):
        raise RuntimeError(f"got {batch.shape[1]},\n expected 300")

    monkeypatch.setattr(OneBox, "run", staticmethod(fail))
    np.save(folder / "a.npy", image)
    assert detect.main([str(folder / "a.npy"), "--model", str(folder)]) == 2
    printed = capsys.readouterr().err
    assert "failed on an input of uint8 (1, 64, 96, 3): got 64, expected 300; the model" in printed


def test_priors_survive_the_manifest():
    detector = small_ssd()
    document = small_manifest(detector).to_json()
    expected = detector.priors_cxcywh_unit.numpy()
    np.testing.assert_array_equal(detect.priors_of(document), expected)
    assert len(base64.b64decode(document["decoding"]["priors_float32_base64"])) == expected.nbytes
