import pytest
import torch
from oracle.caffe_files import PROTOTXT

from singleshot.checkpoints.checkpoint import detector_from
from singleshot.errors import ModelError
from singleshot.families import build_detector
from singleshot.importers.caffe.detector import read_caffe
from singleshot.recipes.load import load_recipe
from singleshot.recipes.toml import to_toml
from singleshot.structures import Batch, Truth
from singleshot.training.build import build_images


def test_either_file_may_be_named(files):
    folder = files()
    by_weights, by_text = (
        read_caffe(folder / name) for name in ("small.caffemodel", "deploy.prototxt")
    )
    assert by_weights.recipe == by_text.recipe
    assert by_weights.weights.keys() == by_text.weights.keys()


def test_the_recipe_has_the_numbers_of_the_prototxt(files):
    model = read_caffe(files() / "small.caffemodel").recipe.model
    assert model.input == (75, 101)
    assert model.resize == "opencv"
    assert model.backbone.name == "small"
    assert model.heads.kernels == (3, 3)
    first = [(round(101 * w, 2), round(75 * h, 2)) for w, h in model.priors.shapes_unit[0]]
    assert first == [(20, 20), (24.49, 24.49), (28.28, 14.14), (14.14, 28.28)]
    assert model.priors.offset_scales == (0.1, 0.2)
    assert model.priors.clip == "corners"
    assert (model.results.score_threshold, model.results.iou_threshold) == (0.2, 0.45)
    assert (model.results.top_k, model.results.keep) == (100, 50)


def test_the_recipe_loads_back_from_a_file(files, tmp_path):
    recipe = read_caffe(files() / "small.caffemodel").recipe
    (tmp_path / "recipe.toml").write_text(to_toml(recipe))
    assert load_recipe(tmp_path / "recipe.toml") == recipe
    # A line for each layer, so that it can be read.
    lines = (tmp_path / "recipe.toml").read_text().splitlines()
    assert sum(line.startswith('    {name = "') for line in lines) == len(
        recipe.model.backbone.layers
    )


def test_canvases_are_filled_with_the_mean_of_its_pixels(files):
    recipe = read_caffe(files() / "small.caffemodel").recipe
    detector = build_detector(recipe.model, ["one", "two", "three"], pretrained=False)
    assert detector.backbone.pixel_mean == (0, 0, 0)  # the network itself has none
    assert build_images(recipe, [], detector).augmentation.render.fill == (123, 117, 104)


def test_it_learns_down_to_the_first_convolution(files):
    checkpoint = read_caffe(files() / "small.caffemodel")
    detector = detector_from(checkpoint, "small").train()
    truth = Truth.of(torch.tensor([[20.0, 10.0, 60.0, 50.0]]), torch.tensor([1]))
    images = torch.randint(256, (1, 3, 75, 101), dtype=torch.uint8)
    detector.losses(Batch(images, (truth,), ("a",))).total.backward()
    assert detector.backbone.layers["conv1"].weight.grad.abs().max() > 0


def test_a_recipe_of_it_can_start_from_nothing(files):
    recipe = read_caffe(files() / "small.caffemodel").recipe
    detector = build_detector(recipe.model, ["one", "two", "three"], pretrained=True)
    assert detector.heads.num_columns == 4


def test_the_caffemodel_has_the_pixels_of_its_training(files):
    pixels = read_caffe(files(mean_values=(1, 2, 3)) / "small.caffemodel").recipe.model.pixels
    assert pixels.mean == (3, 2, 1)  # ours are red, green, blue
    assert pixels.std == (1, 1, 1)


def test_a_transform_param_of_the_prototxt_takes_precedence(files):
    layer = (
        "layer { type: 'Input' top: 'x' transform_param { mean_value: 127.5 scale: 0.0078125 } }"
    )
    pixels = read_caffe(files(PROTOTXT + layer) / "small.caffemodel").recipe.model.pixels
    assert pixels.mean == (127.5, 127.5, 127.5)
    assert pixels.std == (128, 128, 128)


def test_unknown_pixels_are_an_error(files):
    with pytest.raises(ModelError, match="have no mean_value of the pixels; add"):
        read_caffe(files(mean_values=()) / "small.caffemodel")


def test_pixels_of_two_channels_are_refused(files):
    with pytest.raises(ModelError, match=r"mean_value \[1\.0, 2\.0\] and scale 1"):
        read_caffe(files(mean_values=(1, 2)) / "small.caffemodel")


def test_mobilenet_ssds_pixels_are_known(files):
    prototxt = PROTOTXT.replace('name: "small"', 'name: "MobileNet-SSD"')
    pixels = read_caffe(files(prototxt, mean_values=()) / "small.caffemodel").recipe.model.pixels
    assert pixels.mean == (127.5, 127.5, 127.5)
    assert pixels.std[0] == pytest.approx(127.5, abs=0.01)


def test_class_names_come_from_a_label_map_beside_it(files):
    folder = files()
    (folder / "labelmap_pets.prototxt").write_text(
        'item { name: "none" label: 0 display_name: "background" }\n'
        'item { name: "2" label: 2 display_name: "dog" }\n'
        'item { name: "1" label: 1 display_name: "cat" }\n'
    )
    assert read_caffe(folder / "small.caffemodel").class_names == ("cat", "dog")


def test_without_a_label_map_classes_are_numbered(files):
    assert read_caffe(files() / "small.caffemodel").class_names == ("class 1", "class 2")


def test_opencvs_face_detector_finds_faces(shared):
    path = shared / "weights/res10_ssd300_face_caffe/deploy.prototxt.txt"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    checkpoint = read_caffe(path)
    assert checkpoint.class_names == ("face",)
    assert checkpoint.recipe.model.pixels.mean == (123, 177, 104)
    # Its fifth level has steps of 100 for five cells: the last lie outside the image.
    detector = detector_from(checkpoint, str(path))
    assert detector.levels[4].grid == (5, 5)
    assert detector.levels[4].stride == (100, 100)
    assert len(detector.priors_cxcywh_unit) == 8892


def test_a_missing_prototxt_is_named(files):
    folder = files()
    (folder / "deploy.prototxt").unlink()
    with pytest.raises(ModelError, match="prototxt must be beside it; found none"):
        read_caffe(folder / "small.caffemodel")


def test_of_two_prototxts_the_others_must_be_moved_away(files):
    folder = files()
    (folder / "test.prototxt").write_text(PROTOTXT)
    with pytest.raises(ModelError, match=r"found deploy\.prototxt, test\.prototxt: move"):
        read_caffe(folder / "small.caffemodel")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dim: 3 dim: 75", "dim: 1 dim: 75", r"its input is \[1, 1, 75, 101\]"),
    ],
)
def test_an_input_without_colours_is_refused(files, old, new, message):
    assert old in PROTOTXT
    with pytest.raises(ModelError, match=message):
        read_caffe(files(PROTOTXT.replace(old, new, 1)) / "small.caffemodel")
