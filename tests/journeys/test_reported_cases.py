"""Situations that users of detectors reported in public, on the inputs of `cases/other`.

Each of its folders has `expected.txt`, which a test of that name checks here.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch
from command_line import singleshot
from PIL import Image

import singleshot as api
from singleshot.cli import main
from singleshot.data.image_files.decoding import read_image

SHORT = {
    "training.steps": 2,
    "training.batch_size": 2,
    "training.workers": 0,
    "model.input": "[64,64]",
}


@pytest.fixture(scope="module")
def cases(shared):
    """The folder of all cases."""
    folder = shared / "cases"
    if not (folder / "other").is_dir():
        pytest.skip(f"needs the reported cases: no {folder / 'other'}")
    return folder


@pytest.fixture
def case(cases, tmp_path, monkeypatch):
    """A function that copies a case into an empty folder and works there."""
    monkeypatch.chdir(tmp_path)

    def copy(name):
        shutil.copytree(cases / "other" / name, tmp_path, dirs_exist_ok=True)

    return copy


@pytest.fixture(scope="module")
def model(cases):
    """A detector of the shapes, trained by an earlier version."""
    return str(cases / "model")


@pytest.fixture(scope="module")
def detector(model):
    """That detector, loaded."""
    return api.load(model)


@pytest.fixture(scope="module")
def photograph(cases):
    """An image with shapes."""
    return cases / "base/shapes/JPEGImages/p059.jpg"


@pytest.fixture(scope="module")
def shapes(cases):
    """The data set of shapes."""
    return str(cases / "base/shapes")


def train(data, run, *words, recipe="ssdlite320-lite0", **settings):
    """Train two steps on a small input."""
    chosen = {**SHORT, **settings}
    return singleshot(
        *("train", recipe, "--data", data, "--run", run, "--val-split", "none"),
        *(word for key, value in chosen.items() for word in ("--set", f"{key}={value}")),
        *words,
    )


def exit_code_with_stdout(stdout, *words):
    """Run a command with another standard output, None where it is closed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        with pytest.raises(SystemExit) as exit_:
            main(words)
    return int(exit_.value.code or 0)


def assert_refused(done, *parts):
    """Exit code 2 and a message of a few lines with these parts."""
    assert done.exit_code == 2, (done.stdout, done.stderr)
    assert "unexpected" not in done.stderr
    for part in parts:
        assert part in done.stderr


def test_api_float_images(detector, photograph):
    image = read_image(photograph)
    with pytest.raises(api.SingleshotError, match="float32") as error:
        detector.detect([image.float() / 255])
    assert "uint8" in str(error.value)


def test_api_images_of_other_kinds(detector, photograph):
    tensor = read_image(photograph)
    photo = Image.open(photograph).convert("RGB")
    array = np.asarray(photo)
    expected = detector.detect([tensor])[0]
    same = {
        "NumPy": [array],
        "PIL": [photo],
        "path": [str(photograph)],
        "generator": (image for image in [tensor]),
    }
    for kind, images in same.items():
        found = detector.detect(images)[0]
        assert torch.equal(found.boxes, expected.boxes), kind
    taken_or_refused = {
        "NumPy CHW": [array.transpose(2, 0, 1)],
        "HWC tensor": [torch.from_numpy(array.copy())],
        "one tensor": tensor,
        "batch": torch.stack([tensor, tensor]),
        "4 channels": [torch.cat([tensor, tensor[:1]])],
        "grey": [tensor[0]],
        "no pixels": [tensor[:, :0]],
    }
    for kind, images in taken_or_refused.items():
        with contextlib.suppress(api.SingleshotError):
            assert len(detector.detect(images)) == (2 if kind == "batch" else 1), kind


def test_api_other_arguments(detector, model, shapes, tmp_path, monkeypatch):
    # Types are checked at run time in tests alone.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(api.SingleshotError, match="cuda"):
        api.load(model, device="gpu")
    if not torch.cuda.is_available():
        with pytest.raises(api.SingleshotError, match="cuda"):
            api.load(model, device="cuda")
    with pytest.raises(api.SingleshotError, match="split"):
        api.evaluate(detector, data=shapes, split=["test"])
    with pytest.raises(api.SingleshotError, match="overrides"):
        api.train("ssdlite320-lite0", data=shapes, run=tmp_path / "r", overrides="training.steps=2")


def test_api_other_arguments_after_train(detector, photograph):
    image = read_image(photograph)
    detector.train()
    try:
        with pytest.raises(api.SingleshotError, match=r"eval\(\)"):
            detector.detect([image])
    finally:
        detector.eval()


@pytest.mark.parametrize(
    ("key", "value", "remedy"),
    [
        ("training.lr", "0.1", "training.learning_rate"),
        ("model.num_classes", "3", "classes"),
        ("training.optimizer", "adam", "'adamw'"),
        ("model.input", "300", "[300, 300]"),
        ("model.input", "300x300", "[300, 300]"),
    ],
)
def test_cfg_messages(shapes, tmp_path, key, value, remedy):
    done = train(shapes, str(tmp_path / "run"), **{key: value})
    assert_refused(done, key, remedy)
    assert not (tmp_path / "run").exists()


def test_cfg_sizes_pixels(shapes, tmp_path):
    sizes = "[30,60,111,162,213,264,315]"
    done = train(shapes, str(tmp_path / "run"), **{"model.priors.sizes_unit": sizes})
    assert_refused(done, "sizes_unit", "30", "pixels")
    assert not (tmp_path / "run").exists()


def test_checkpoint_truncated(model, photograph, tmp_path):
    cut, pointer = tmp_path / "cut.safetensors", tmp_path / "lfs.safetensors"
    whole = Path(model, "checkpoints/best.safetensors").read_bytes()
    cut.write_bytes(whole[:100_000])
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    assert_refused(singleshot("predict", str(cut), str(photograph)), "cut.safetensors", "100,000")
    assert_refused(singleshot("predict", str(pointer), str(photograph)), "git lfs pull")


def test_predict_200_megapixels(model, tmp_path):
    path = tmp_path / "big.png"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image, "MAX_IMAGE_PIXELS", None)
        Image.new("L", (14000, 13500), 128).save(path, compress_level=1)
    done = singleshot("predict", model, str(path))
    assert done.exit_code == 0 or "189" in done.stderr, done.stderr
    assert "broken" not in done.stderr
    # Beyond Pillow's first limit: a warning would be an error here.
    Image.new("L", (10000, 9500), 128).save(path, compress_level=1)
    done = singleshot("predict", model, str(path), "--score-threshold", "0.9")
    assert done.exit_code == 0, done.stderr
    assert "Warning" not in done.stderr


def test_predict_encoding_of_stdout(model, case):
    case("predict-encoding-of-stdout")
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    assert exit_code_with_stdout(narrow, "predict", model, "data") == 0
    narrow.seek(0)
    assert "\\u0441\\u043e\\u0431\\u0430\\u043a\\u0430.jpg" in narrow.read()


def test_predict_jfif_avif_folder(model, case):
    case("predict-jfif-avif-folder")
    done = singleshot("predict", model, "data", "--json")
    assert done.exit_code == 0, done.stderr
    assert [Path(image["image"]).name for image in json.loads(done.stdout)] == ["a.jfif", "b.jpg"]


def test_predict_one_broken_of_many(model, case):
    case("predict-one-broken-of-many")
    shutil.rmtree("drawn")
    done = singleshot("predict", model, "data", "--draw", "drawn", "--json")
    assert done.exit_code == 1
    names = ["p0.jpg", "p1.jpg", "p3.jpg"]
    assert [Path(image["image"]).name for image in json.loads(done.stdout)] == names
    assert sorted(path.name for path in Path("drawn").iterdir()) == names
    assert "p2.jpg" in done.stderr.splitlines()[-1]


def test_resume_a_finished_run(shapes, tmp_path):
    run = str(tmp_path / "run")
    assert train(shapes, run).exit_code == 0
    done = train(shapes, run, "--resume", **{"training.steps": 4})
    assert_refused(done, "finished", "--init")


def test_run_is_the_data_folder(case):
    case("run-is-the-data-folder")
    before = sorted(Path("data").rglob("*"))
    assert_refused(train("data", "data"), "data", "not empty")
    assert sorted(Path("data").rglob("*")) == before


def test_score_300_objects(case):
    case("score-300-objects")
    done = singleshot("score", "pred.json", "data/truth.json")
    assert done.exit_code == 0, done.stderr
    assert "0.337" in done.stdout
    assert "1 image has more than 100" in done.stdout + done.stderr
    done = singleshot("score", "pred.json", "data/truth.json", "--protocol", "voc10")
    assert "more than 100" not in done.stdout + done.stderr


def test_stdout_closed(model, photograph, capsys):
    with contextlib.suppress(OSError), Path("/dev/full").open("w", encoding="utf-8") as full:
        for stdout in (None, full):
            assert exit_code_with_stdout(stdout, "predict", model, str(photograph)) == 1
            message = capsys.readouterr().err
            assert "Error: " in message
            assert "unexpected" not in message


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        ("ssdlite320-mobilenet-v2", {"model.input": "[320,320]"}),
        ("ssdlite320-mobilenet-v3", {"model.input": "[320,320]"}),
        ("ssdlite320-lite0", {"model.input": "[96,128]"}),
    ],
)
def test_train_batch_one(case, recipe, settings):
    case("train-batch-one")
    done = train("data", "run", recipe=recipe, **{**settings, "training.batch_size": 1})
    if done.exit_code:
        assert_refused(done, "training.batch_size")
        assert not Path("run").exists()
