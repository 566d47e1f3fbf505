import json
import shutil

import pytest
import torch

import singleshot
from singleshot.checkpoints.checkpoint import detector_from
from singleshot.errors import ModelError
from singleshot.families import build_detector
from singleshot.importers.tensorflow import is_tensorflow, read_tensorflow
from singleshot.structures import Batch, Truth


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "weights" / "ssdlite_mnv2_coco_tfjs"


@pytest.fixture(scope="module")
def checkpoint(folder):
    return read_tensorflow(folder)


@pytest.fixture(scope="module")
def detector(checkpoint):
    return detector_from(checkpoint, source="the graph")


@pytest.fixture
def copied(folder, tmp_path):
    for file in folder.iterdir():
        shutil.copyfile(file, tmp_path / file.name)
    return tmp_path


def test_it_has_cocos_classes_and_tensorflows_priors(detector):
    assert len(detector.class_names) == 80
    assert (detector.class_names[0], detector.class_names[-1]) == ("person", "toothbrush")
    assert len(detector.priors_cxcywh_unit) == 1917
    assert [len(level.shapes) for level in detector.levels] == [3, 6, 6, 6, 6, 6]
    assert detector.settings.priors.shapes_unit[0][0] == (0.1, 0.1)


def test_every_batch_norm_is_folded(detector):
    assert not [m for m in detector.modules() if isinstance(m, torch.nn.BatchNorm2d)]


def test_it_finds_what_tensorflow_finds_on_coco(detector, shared):
    report = singleshot.evaluate(detector, shared / "data" / "tiny_coco", split="val")
    # A literal run of the graph on images that Pillow resized.
    assert pytest.approx(0.311, abs=0.002) == report.coco.AP
    assert pytest.approx(0.474, abs=0.003) == report.coco.AP50


def test_the_folder_and_its_model_json_are_the_same(folder, checkpoint):
    other = read_tensorflow(folder / "model.json")
    assert other.recipe == checkpoint.recipe
    assert all(torch.equal(other.weights[name], checkpoint.weights[name]) for name in other.weights)


def test_it_learns_on(checkpoint):
    model = checkpoint.recipe.model
    detector = build_detector(model, checkpoint.class_names, pretrained=False)
    checkpoint.restore(detector, "the graph")
    random = torch.Generator().manual_seed(0)
    image = torch.randint(256, (1, 3, *model.input), generator=random, dtype=torch.uint8)
    truth = Truth.of(torch.tensor([[60.0, 60.0, 200.0, 240.0]]), torch.tensor([3]))
    batch = Batch(image, (truth,), ("noise",))
    optimizer = torch.optim.SGD(detector.parameters(), lr=1e-3)
    losses = []
    for _ in range(5):
        loss = detector.train().losses(batch).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_it_is_recognised_by_content(folder, tmp_path):
    assert is_tensorflow(folder)
    assert is_tensorflow(folder / "model.json")
    assert not is_tensorflow(folder / "group1-shard1of5")
    (tmp_path / "other.json").write_text("{}")
    assert not is_tensorflow(tmp_path / "other.json")


def test_a_truncated_file_is_named(copied):
    shard = copied / "group1-shard5of5"
    shard.write_bytes(shard.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=r"have 18033528 bytes in all, expected 18034528"):
        read_tensorflow(copied)


def test_a_missing_file_is_named(copied):
    (copied / "group1-shard3of5").unlink()
    with pytest.raises(ModelError, match=r"group1-shard3of5: No such file"):
        read_tensorflow(copied)


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"modelTopology": {}}'])
def test_another_json_is_refused(tmp_path, text):
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(ModelError, match=r"not a TensorFlow\.js graph model"):
        read_tensorflow(tmp_path)


def changed(folder, change):
    """The model with other entries for its constants."""
    model = json.loads((folder / "model.json").read_text())
    for entry in model["weightsManifest"][0]["weights"]:
        change(entry)
    (folder / "model.json").write_text(json.dumps(model))
    return folder


def test_a_quantised_model_is_refused(copied):
    def quantise(entry):
        entry["quantization"] = {"dtype": "uint8", "min": 0, "scale": 1}

    with pytest.raises(ModelError, match=r"is uint8; .* without quantisation"):
        read_tensorflow(changed(copied, quantise))


def test_another_architecture_is_refused(copied):
    def rename(entry):
        entry["name"] = entry["name"].replace("MobilenetV2", "MobilenetV1")

    with pytest.raises(ModelError, match=r"no constant 'FeatureExtractor/MobilenetV2/Conv/"):
        read_tensorflow(changed(copied, rename))


def test_anchors_that_are_no_grid_are_refused(copied):
    manifest = json.loads((copied / "model.json").read_text())["weightsManifest"][0]
    # The first two constants: a number, then the anchors.
    assert manifest["weights"][1]["name"] == "Postprocessor/ExpandDims"
    shard = copied / "group1-shard1of5"
    numbers = bytearray(shard.read_bytes())
    numbers[4:8] = numbers[8:12]
    numbers[4 + 16 : 8 + 16] = numbers[8:12]
    shard.write_bytes(numbers)
    with pytest.raises(ModelError, match="its anchors are no grid of equal cells"):
        read_tensorflow(copied)
