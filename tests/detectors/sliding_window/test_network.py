"""A classifier over a feature map is that classifier at every window of every copy."""

# Tests singleshot/detectors/sliding_window/settings.py

import pytest
import torch

from singleshot.errors import ModelError
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe

pytest.importorskip("cv2", reason="needs OpenCV: pip install 'singleshot[baselines]'")

# No padding: what a window sees does not depend on where it stands.
BARE = {
    "kind": "graph",
    "name": "bare",
    "outputs": ["pool"],
    "layers": [
        {
            "operation": "convolution",
            "name": "conv",
            "input": "image",
            "channels": 6,
            "kernel": 5,
        },
        {"operation": "relu", "name": "relu", "input": "conv"},
        {"operation": "max_pool", "name": "pool", "input": "relu", "kernel": 4, "stride": 4},
    ],
}


def built(recipe, overrides, names=("cat", "dog")):
    torch.manual_seed(0)
    return build_detector(load_recipe(recipe, overrides).model, names, pretrained=False)


@pytest.mark.parametrize(
    ("recipe", "overrides"),
    [
        ("sliding-window", {}),
        ("sliding-window-cnn", {"model.backbone": BARE, "model.fully_connected": [5]}),
    ],
)
@torch.no_grad()
def test_every_window_gets_the_outputs_of_the_classifier_for_it_alone(recipe, overrides, random):
    overrides |= {
        "model.input": [72, 96],
        "model.window": [40, 32],
        "model.margin": 0.0,
        "model.scales": [1.0],
        "model.aspect_ratios": [1.0],
    }
    detector = built(recipe, overrides)
    image = torch.randint(256, (1, 3, 72, 96), generator=random, dtype=torch.uint8)
    everywhere = detector(image)[0]
    assert len(everywhere) == detector.num_boxes > 20
    image = detector.normalise(image)
    [features] = detector.backbone(image)
    [copy] = detector.copies
    for box, predicted in zip(detector.windows.int().tolist(), everywhere, strict=True):
        x1, y1, x2, y2 = box
        assert (x2 - x1, y2 - y1) == (32, 40)
        if recipe == "sliding-window-cnn":
            alone = detector.backbone(image[..., y1:y2, x1:x2])[0]
        else:
            # A gradient at the edge of a cut-out is another one: cut the histograms instead.
            row, column = round(y1 / copy.stride[0]), round(x1 / copy.stride[1])
            rows, columns = detector.kernel
            alone = features[..., row : row + rows, column : column + columns]
        torch.testing.assert_close(detector.heads(alone).flatten(), predicted, atol=1e-4, rtol=1e-4)


def test_the_windows_of_a_copy_are_larger_and_wider_by_its_scale():
    overrides = {
        "model.input": [240, 320],
        "model.scales": [1.0, 2.0],
        "model.aspect_ratios": [1.0, 4.0],
    }
    detector = built("sliding-window", overrides)
    sizes = [
        tuple((boxes[0, 2:] - boxes[0, :2]).round().int().tolist())
        for boxes in detector.windows.split([len(copy) for copy in detector.copies])
    ]
    # A window without its margins is 48 pixels wide and high.
    assert sizes == [(48, 48), (96, 24), (96, 96), (192, 48)]


def test_objects_at_the_edges_have_windows():
    overrides = {
        "model.input": [236, 323],
        "model.scales": [1.0],
        "model.aspect_ratios": [1.0],
    }
    windows = built("sliding-window", overrides).windows
    assert windows[:, :2].amin(dim=0).tolist() == [0, 0]
    # A cell has 8 pixels; what is left of a last one belongs to no window.
    right, bottom = windows[:, 2:].amax(dim=0).tolist()
    assert 323 - 8 < right <= 323
    assert 236 - 8 < bottom <= 236


@pytest.mark.parametrize(
    ("recipe", "copies", "num_boxes"),
    [("sliding-window", 29, 28_959), ("sliding-window-cnn", 6, 88 + 70 + 40 + 18 + 8 + 3)],
)
def test_windows_of_the_full_networks(recipe, copies, num_boxes):
    with torch.device("meta"):
        detector = built(recipe, {})
    assert len(detector.copies) == copies
    assert detector.num_boxes == sum(map(len, detector.copies)) == num_boxes


def test_overfeat_sees_6_by_6_cells_of_231_pixels_and_moves_by_32():
    with torch.device("meta"):
        detector = built("sliding-window-cnn", {})
    assert detector.kernel == (6, 6)
    assert detector.copies[0].stride == (32, 32)
    assert [copy.grid for copy in detector.copies][:2] == [(8, 11), (7, 10)]


def test_the_pedestrian_detector_of_the_paper_has_3780_weights_and_a_bias():
    overrides = {"model.window": [128, 64], "model.aspect_ratios": [1.0]}
    detector = built("sliding-window", overrides, names=("person",))
    assert sum(weight.numel() for weight in detector.heads.parameters()) == 3780 + 1


def test_a_window_larger_than_every_copy_is_refused():
    with pytest.raises(ModelError, match=r"model.window = \[512, 512\] fits into no copy"):
        built("sliding-window", {"model.window": [512, 512], "model.input": [128, 128]})


def test_a_window_counts_for_each_class_with_the_score_of_its_margin():
    detector = built("sliding-window", {"model.input": [96, 96], "model.results.top_k": 3}).eval()
    # On a flat image only biases speak.
    detector.heads[-1].bias.data = torch.tensor([0.0, 2.0])
    [scored] = detector.score_boxes(torch.zeros(1, 3, 96, 96))
    assert scored.labels.tolist() == [0, 1] * 3
    assert scored.scores.tolist() == pytest.approx([0.5, 0.8808] * 3, abs=1e-4)


def test_softmax_gives_the_background_its_share():
    overrides = {
        "model.backbone": BARE,
        "model.fully_connected": [],
        "model.input": [64, 64],
        "model.window": [32, 32],
    }
    detector = built("sliding-window-cnn", overrides).eval()
    assert [p.shape[0] for p in detector.heads.parameters()] == [3, 3]
    for parameter in detector.heads.parameters():
        torch.nn.init.zeros_(parameter)
    [scored] = detector.score_boxes(torch.zeros(1, 3, 64, 64))
    assert scored.scores.tolist() == pytest.approx([1 / 3] * len(scored))
