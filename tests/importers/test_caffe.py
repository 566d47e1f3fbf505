import numpy as np
import pytest
import torch
from oracle.caffe_files import PROTOTXT, caffemodel, old_blob, part, small_weights

from singleshot.checkpoints.checkpoint import detector_from
from singleshot.errors import ModelError
from singleshot.families import build_detector
from singleshot.importers.caffe.detector import read_caffe
from singleshot.importers.caffe.heads import prior_shapes
from singleshot.importers.caffe.text import Message, read_prototxt
from singleshot.importers.caffe.weights import read_caffemodel
from singleshot.recipes.load import load_recipe, to_toml
from singleshot.structures import Batch, Truth
from singleshot.training.build import build_images


@pytest.fixture
def files(tmp_path):
    """Writes the small network's two files, and gives the folder."""

    def write(prototxt=PROTOTXT, weights=None, **about):
        (tmp_path / "deploy.prototxt").write_text(prototxt)
        content = caffemodel(small_weights() if weights is None else weights, **about)
        (tmp_path / "small.caffemodel").write_bytes(content)
        return tmp_path

    return write


def test_either_file_may_be_named(files):
    folder = files()
    by_weights, by_text = (
        read_caffe(folder / name) for name in ("small.caffemodel", "deploy.prototxt")
    )
    assert by_weights.recipe == by_text.recipe
    assert by_weights.weights.keys() == by_text.weights.keys()


def test_the_recipe_says_all_that_the_prototxt_does(files):
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
    assert detector.backbone.pixel_mean == (0, 0, 0)  # the network itself knows none
    assert build_images(recipe, [], detector).augmentation.render.fill == (123, 117, 104)


def test_batch_norms_are_folded_where_a_convolution_is_before_them(files):
    backbone = read_caffe(files() / "small.caffemodel").recipe.model.backbone
    operations = {layer.name: layer.operation for layer in backbone.layers}
    # The image's and the sum's have none before them; the image's two are one.
    assert [name for name in operations if operations[name] == "scale"] == ["input/bn", "sum/bn"]
    assert operations["conv1"] == "convolution"


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


# What is taken from the pixels.


def test_the_caffemodel_remembers_its_trainings_pixels(files):
    pixels = read_caffe(files(mean_values=(1, 2, 3)) / "small.caffemodel").recipe.model.pixels
    assert pixels.mean == (3, 2, 1)  # ours are red, green, blue
    assert pixels.std == (1, 1, 1)


def test_a_transform_param_of_the_prototxt_goes_first(files):
    says = "layer { type: 'Input' top: 'x' transform_param { mean_value: 127.5 scale: 0.0078125 } }"
    pixels = read_caffe(files(PROTOTXT + says) / "small.caffemodel").recipe.model.pixels
    assert pixels.mean == (127.5, 127.5, 127.5)
    assert pixels.std == (128, 128, 128)


def test_pixels_that_nobody_speaks_of_are_asked_for(files):
    with pytest.raises(ModelError, match="have no mean_value of the pixels; add"):
        read_caffe(files(mean_values=()) / "small.caffemodel")


def test_pixels_of_two_channels_make_no_sense(files):
    with pytest.raises(ModelError, match=r"mean_value \[1\.0, 2\.0\] and scale 1"):
        read_caffe(files(mean_values=(1, 2)) / "small.caffemodel")


def test_mobilenet_ssds_pixels_are_known(files):
    prototxt = PROTOTXT.replace('name: "small"', 'name: "MobileNet-SSD"')
    pixels = read_caffe(files(prototxt, mean_values=()) / "small.caffemodel").recipe.model.pixels
    assert pixels.mean == (127.5, 127.5, 127.5)
    assert pixels.std[0] == pytest.approx(127.5, abs=0.01)


# Class names.


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


# What cannot be read, or not be expressed.


def test_a_missing_prototxt_is_said(files):
    folder = files()
    (folder / "deploy.prototxt").unlink()
    with pytest.raises(ModelError, match="prototxt must be beside it; found none"):
        read_caffe(folder / "small.caffemodel")


def test_of_two_prototxts_the_others_must_be_moved_away(files):
    folder = files()
    (folder / "test.prototxt").write_text(PROTOTXT)
    with pytest.raises(ModelError, match=r"found deploy\.prototxt, test\.prototxt: move"):
        read_caffe(folder / "small.caffemodel")


@pytest.mark.parametrize("part_kept", [0.999, 0.5, 0.01])
def test_a_caffemodel_that_is_cut_off_is_refused(files, part_kept):
    path = files() / "small.caffemodel"
    content = path.read_bytes()
    path.write_bytes(content[: int(part_kept * len(content))])
    with pytest.raises(ModelError, match="not a caffemodel, or truncated"):
        read_caffe(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip", bytes(range(256))])
def test_files_of_another_kind_are_refused(files, content):
    path = files() / "small.caffemodel"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="not a caffemodel"):
        read_caffe(path)


def test_caffes_first_format_is_named(files):
    path = files() / "small.caffemodel"
    path.write_bytes(part(2, part(4, b"conv1")))
    with pytest.raises(ModelError, match="upgrade_net_proto_binary"):
        read_caffe(path)


def test_weights_of_another_network_are_refused(files):
    weights = small_weights()
    del weights["conv1"]
    with pytest.raises(ModelError, match=r"'conv1' \(Convolution\) has 0 tensors .* expected 1"):
        read_caffe(files(weights=weights) / "small.caffemodel")
    weights["conv1"] = [np.zeros((8, 3, 5, 5)), np.zeros(8)]
    with pytest.raises(ModelError, match=r"weights \[8, 3, 5, 5\] .* expected 8 kernels of 3 × 5"):
        read_caffe(files(weights=weights) / "small.caffemodel")
    weights["conv1"] = [np.zeros((8, 4, 3, 5)), np.zeros(8)]
    with pytest.raises(ModelError, match=r"do not fit .* backbone\.layers\.conv1\.weight"):
        read_caffe(files(weights=weights) / "small.caffemodel")


def test_a_batch_norm_of_another_network_is_refused(files):
    weights = {**small_weights(), "conv1/bn": [np.ones(4), np.ones(4), np.ones(1)]}
    with pytest.raises(ModelError, match="'conv1/bn' has 4 channels and 'conv1' before it 8"):
        read_caffe(files(weights=weights) / "small.caffemodel")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("share_location: true", "share_location: false", "share_location: false"),
        ("code_type: CENTER_SIZE", "code_type: CORNER", "code_type: CORNER"),
        ("code_type: CENTER_SIZE", "", "code_type: CORNER"),
        ("background_label_id: 0", "background_label_id: 2", "background_label_id: 2"),
        ("nms_threshold: 0.45", "eta: 0.9", "eta: 0.9"),
        ('type: "Dropout"', 'type: "PReLU"', r"'drop' \(PReLU\): a layer of this type"),
        ("pool: AVE", "pool: STOCHASTIC", "pooling other than"),
        ("pool: MAX kernel_size: 3", "pool: MAX kernel_size: 1", "stride larger than the kernel"),
        ("across_spatial: false", "", "across_spatial: true"),
        ('type: "Softmax"', 'type: "Flatten"', "scores without a Softmax"),
        ('type: "DetectionOutput"', 'type: "Silence"', "0 DetectionOutput layers"),
        ("dim: 3 dim: 75", "dim: 1 dim: 75", r"its input is \[1, 1, 75, 101\]"),
        ("order: [0, 2, 3, 1]", "order: [0, 1, 2, 3]", "Permute 0, 2, 3, 1"),
        ("12 kernel_size: 3 pad: 1", "12 kernel_size: 3 pad: 0", "kernel_size 3 and pad 0"),
        ("min_size: 40 max_size: 60", "min_size: 40", "has 8 channels; .* need 4"),
        ("min_size: 40", "img_size: 300 min_size: 40", "image of"),
        ('bottom: "sum" top: "sum/bn"', 'bottom: "some" top: "sum/bn"', "has the input 'some'"),
        ("num_classes: 3", "num_classes: three", "num_classes is no number"),
        ("pad: 2 dilation: 2", "pad: 2 dilation: 0", "dilation: 0, which"),
        ('bottom: "pool2" top: "pool2/relu"', 'top: "pool2/relu"', "has no input; give it"),
        ('bottom: "loc" bottom: "conf_flat"', 'bottom: "loc"', "2 inputs"),
        ('bottom: "loc" bottom', 'bottom: "data" bottom', "a head whose input is the image"),
        ('bottom: "norm_loc_flat" bottom', "bottom", r"of \[1, 2, 2\] levels"),
        ("variance: 0.1 variance: 0.1 variance: 0.2", "variance: 0.1 variance: 0.2", "or four"),
        ("max_size: 30", "max_size: 30 max_size: 40", "2 max_size for 1 min_size"),
        ("kernel_size: 3 pad: 2 dilation", "kernel_size: 3 pad: 1 dilation", "do not fit each oth"),
    ],
)
def test_what_cannot_be_expressed_is_named(files, old, new, message):
    assert old in PROTOTXT
    with pytest.raises(ModelError, match=message):
        read_caffe(files(PROTOTXT.replace(old, new, 1)) / "small.caffemodel")


# Text and bytes.


def test_prototxt_has_nested_messages_lists_and_comments(tmp_path):
    path = tmp_path / "a.prototxt"
    path.write_text("name: 'a # b' # c\nlayer { pad: [1, 2] p < x: -1.5 > flag: true; }\nlayer: {}")
    net = read_prototxt(path)
    assert net.text("name") == "a # b"
    first, second = net.all("layer")
    assert first.numbers("pad") == [1, 2]
    assert first.only("p").number("x", 0) == -1.5
    assert first.flag("flag", default=False)
    assert second.number("pad", 7) == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer { name: 'a'", "ends in the middle"),
        ("layer {\n } }", "line 2: '}' where a name"),
        ("name: }", "'}' where name's value"),
        ("name: 'a", "line 1: a quote is open"),
    ],
)
def test_broken_prototxts_are_refused(tmp_path, text, message):
    (tmp_path / "a.prototxt").write_text(text)
    with pytest.raises(ModelError, match=message):
        read_prototxt(tmp_path / "a.prototxt")


def test_numbers_one_by_one_and_old_shapes_are_read(tmp_path):
    layer = part(1, b"fc") + part(7, old_blob(np.array([[1.0, 2.0, 3.0]])))
    (tmp_path / "a.caffemodel").write_bytes(part(100, layer))
    (blob,) = read_caffemodel(tmp_path / "a.caffemodel").blobs["fc"]
    assert torch.equal(blob, torch.tensor([[[[1.0, 2.0, 3.0]]]]))


def test_sizes_are_cut_and_known_ratios_left_out():
    about = Message("here", {"min_size": ["35.84", "10"], "max_size": ["76.8", "20"]})
    about.values["aspect_ratio"] = ["1", "4", "4", "0.25"]
    # √(35 · 76) = 51.58, not √(35.84 · 76.8) = 52.46.
    assert [(round(w, 2), round(h, 2)) for w, h in prior_shapes(about)] == [
        (35, 35),
        (51.58, 51.58),
        (70, 17.5),
        (17.5, 70),
        (10, 10),
        (14.14, 14.14),
        (20, 5),
        (5, 20),
    ]
