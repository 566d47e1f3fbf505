"""The C++ decoder against the package: the program of `example/`, by three compilers."""

# Tests singleshot/exporting/folder.py

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from small_folder import COMPILERS, Compiler, outputs_of, small_manifest
from small_ssd import make_images, small_recipe, small_ssd

import singleshot
from singleshot.data.image_files.decoding import read_image
from singleshot.detectors.common.resize import resize, resize_to_bytes
from singleshot.detectors.ssd.postprocess import postprocess
from singleshot.exporting.folder import FILES, write_companions
from singleshot.importers.recognise import import_weights
from singleshot.runtimes.manifest import Quantization
from singleshot.runtimes.standalone import detect

FUZZ = Path(__file__).with_name("fuzz_decoder.cpp")


@pytest.fixture(scope="module", params=COMPILERS, ids=lambda compiler: compiler.name)
def compiler(request):
    return request.param


@pytest.fixture(scope="module")
def imported(shared, tmp_path_factory):
    weights = shared / "weights" / "ssdlite_mnv2_coco_tfjs"
    if not weights.is_dir():
        pytest.skip(f"needs the weights {weights}")
    path = tmp_path_factory.mktemp("imported") / "checkpoint.safetensors"
    import_weights(weights, "tensorflow").save(path)
    return singleshot.load(path, device="cpu")


@pytest.fixture(scope="module")
def on_real_images(imported, shared):
    """Sizes, outputs and detections of 50 images."""
    paths = sorted((shared / "data" / "tiny_coco" / "val2017").iterdir())[:50]
    images = [read_image(path) for path in paths]
    resized = [resize(image, (300, 300), imported.resize) for image in images]
    outputs = outputs_of(imported, "raw", resized)
    sizes = [(image.shape[1], image.shape[2]) for image in images]
    return (
        sizes,
        outputs,
        [postprocessed(imported, one, size) for one, size in zip(outputs, sizes, strict=True)],
    )


def postprocessed(detector, outputs, size):
    """Detect by the package's own code, from the very same outputs."""
    joined = {"offsets": [], "logits": []}
    widths = {"offsets": 4, "logits": detector.heads.num_columns}
    for name, values in outputs.items():
        kind = name.split("_")[0]
        by_cell = torch.from_numpy(values).permute(0, 2, 3, 1)
        joined[kind].append(by_cell.reshape(1, -1, widths[kind]))
    return postprocess(
        torch.cat(joined["offsets"], dim=1),
        torch.cat(joined["logits"], dim=1),
        detector.priors_cxcywh_unit,
        [size],
        scores=detector.heads.scores,
        options=detector.postprocess_options,
    )[0]


def run_decoder(program, folder, outputs, sizes):
    words = []
    for index, (one, (height, width)) in enumerate(zip(outputs, sizes, strict=True)):
        path = folder / f"{index}.bin"
        path.write_bytes(b"".join(values.tobytes() for values in one.values()))
        words += [str(path), str(width), str(height)]
    done = subprocess.run([*program, "decode", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [one["detections"] for one in json.loads(done.stdout)]


def run_resizer(program, folder, image, size):
    write_ppm(folder / "image.ppm", image)
    words = ["resize", str(folder / "image.ppm"), str(folder / "input.bin")]
    subprocess.run([*program, *words], check=True)
    pixels = np.fromfile(folder / "input.bin", np.uint8).reshape(*size, 3)
    return torch.from_numpy(pixels).permute(2, 0, 1)


def write_ppm(path, image):
    header = b"P6 %d %d 255\n" % (image.shape[2], image.shape[1])
    path.write_bytes(header + image.permute(1, 2, 0).numpy().tobytes())


def require_equal(found, expected, class_names):
    assert [one["label"] for one in found] == [class_names[label] for label in expected.labels]
    boxes = np.array([one["box"] for one in found]).reshape(-1, 4)
    np.testing.assert_allclose(boxes, expected.boxes, atol=2e-3)
    np.testing.assert_allclose([one["score"] for one in found], expected.scores, atol=2e-6)


@pytest.fixture(scope="module")
def program(compiler, imported, tmp_path_factory):
    folder = tmp_path_factory.mktemp("program")
    write_companions(folder, small_manifest(imported))
    return compiler.build(folder / "example" / "main.cpp", folder / "detector")


def test_boxes_on_50_images_are_those_of_the_package(program, imported, on_real_images, tmp_path):
    sizes, outputs, expected = on_real_images
    for found, theirs in zip(run_decoder(program, tmp_path, outputs, sizes), expected, strict=True):
        require_equal(found, theirs, imported.class_names)


def test_an_image_is_resized_to_the_same_bytes(program, shared, tmp_path):
    image = read_image(next((shared / "data" / "tiny_coco" / "val2017").iterdir()))
    found = run_resizer(program, tmp_path, image, (300, 300))
    assert torch.equal(found, resize_to_bytes(image, (300, 300), "antialias"))


def test_random_tensors_with_nan_and_infinity_decode_without_allocation(compiler, tmp_path):
    program = compiler.build(FUZZ, tmp_path / "fuzz", "-I", str(FILES))
    rounds = "1000" if compiler.runner else "5000"  # of two tensors each; an emulator is slow
    done = subprocess.run(
        [*program, rounds], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith(f"{rounds} rounds")


@pytest.fixture(scope="module")
def softmax_folder(tmp_path_factory):
    """A detector with a background, decoded in the model, and the program for it."""
    folder = tmp_path_factory.mktemp("softmax")
    detector = small_ssd(small_recipe(heads__scores="softmax", loss__classification="mined"))
    write_companions(folder, small_manifest(detector, "decoded"))
    plain = Compiler("g++", ("-O1",))
    return detector, folder, plain.build(folder / "example" / "main.cpp", folder / "detector")


def test_decoded_outputs_are_selected_as_by_the_package(softmax_folder, tmp_path):
    detector, _, program = softmax_folder
    images = make_images(5)
    resized = [resize(image, (64, 96), "antialias") for image in images]
    outputs = outputs_of(detector, "decoded", resized)
    sizes = [image.shape[1:] for image in images]
    for found, expected in zip(
        run_decoder(program, tmp_path, outputs, sizes), detector.detect(images), strict=True
    ):
        assert len(found) > 10
        require_equal(found, expected, detector.class_names)


def test_the_program_resizes_as_training_did(softmax_folder, tmp_path):
    _, _, program = softmax_folder
    image = make_images()[1]
    found = run_resizer(program, tmp_path, image, (64, 96))
    assert torch.equal(found, resize_to_bytes(image, (64, 96), "antialias"))


@pytest.mark.parametrize("whole", [False, True], ids=["float32", "int8"])
def test_the_program_takes_floats_and_whole_numbers(whole, tmp_path):
    manifest = small_manifest(small_ssd(), pixels="normalized")
    names = [f'{name} of 5" \\\n' for name in manifest.class_names]
    manifest = manifest.model_copy(update={"class_names": tuple(names)})
    if whole:
        manifest = quantized(manifest)
    write_companions(tmp_path, manifest)
    program = Compiler("g++", ("-O1",)).build(tmp_path / "example" / "main.cpp", tmp_path / "a")
    image = make_images()[0]
    write_ppm(tmp_path / "image.ppm", image)
    words = ["resize", str(tmp_path / "image.ppm"), str(tmp_path / "input.bin")]
    subprocess.run([*program, *words], check=True)
    resized = detect.resize(image.permute(1, 2, 0).numpy(), (64, 96), "antialias")
    expected = detect.to_input([resized], manifest.to_json()["input"])
    found = np.fromfile(tmp_path / "input.bin", expected.dtype).reshape(expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-6)

    random = np.random.default_rng(0)
    outputs = {
        one.name: random.integers(-128, 128, one.shape).astype("int8" if whole else np.float32)
        for one in manifest.outputs
    }
    (found,) = run_decoder(program, tmp_path, [outputs], [(48, 64)])
    scale, zero_point = (0.05, -7) if whole else (1, 0)
    real = {
        name: (values.astype(np.float32) - zero_point) * np.float32(scale)
        for name, values in outputs.items()
    }
    rows = detect.Model(manifest.to_json(), detect.Engine()).postprocess(real, (48, 64))
    assert len(found) == len(rows) > 10
    ours = np.array([[*one["box"], one["score"], names.index(one["label"])] for one in found])
    # The order of equal scores depends on the last digit of a softmax.
    near = (np.abs(ours[:, None] - rows) <= [2e-3] * 4 + [1e-4, 0]).all(axis=2)
    assert near.any(axis=0).all()
    assert near.any(axis=1).all()


def quantized(manifest):
    """The manifest of a model in int8, with channels last."""
    steps = Quantization(scale=0.05, zero_point=-7)
    changes = {"dtype": "int8", "quantization": steps, "layout": "NHWC"}
    outputs = []
    for one in manifest.outputs:
        batch, channels, *grid = one.shape
        last = {"quantization": steps, "layout": "NHWC", "shape": (batch, *grid, channels)}
        outputs.append(one.model_copy(update=last))
    described = manifest.input.model_copy(update=changes)
    return manifest.model_copy(update={"input": described, "outputs": tuple(outputs)})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["decode", "short.bin", "8", "8"], "short.bin: 3 bytes; the outputs of an image are"),
        (["decode", "none.bin", "8", "8"], "none.bin: not readable"),
        (["resize", "short.bin", "x"], "short.bin: not a binary PPM"),
        (["decode", "short.bin", "8"], "usage"),
    ],
)
def test_what_cannot_be_read_is_refused(softmax_folder, tmp_path, words, message):
    (tmp_path / "short.bin").write_bytes(b"abc")
    _, _, program = softmax_folder
    done = subprocess.run(
        [*program, *words], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 2
    assert message in done.stderr
