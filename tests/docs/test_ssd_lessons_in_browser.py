"""The interactive figures of lessons 9 to 16 in a real browser, compared with the package."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

import singleshot
from singleshot.detectors.ssd.loss import mined_cross_entropy

sys.path.append(str(Path(__file__).resolve().parents[2] / "docs"))


@pytest.fixture
def figure(site, browser):
    """Open a lesson, and find an interactive figure in it."""
    pages = []

    def find(lesson, name):
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        pages.append(page)
        page.goto((site / f"tutorial/{lesson}.html").as_uri())
        return page.locator(f'[data-live="{name}"][data-ready]')

    yield find
    for page in pages:
        page.close()


def value(figure, name):
    return figure.locator(f'[data-value="{name}"]').inner_text()


def box_of(figure):
    """The object's box in the drawing."""
    rect = figure.locator(".object")
    x, y, width, height = (float(rect.get_attribute(key)) for key in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def test_priors_match_the_object_as_in_the_package(figure):
    module = import_module("tutorial.figures.priors")
    shown = figure("10-priors", "priors")
    numbers = shown.locator('[name="object"] option').count()
    assert numbers == len(module.objects)
    for number in range(numbers):
        shown.locator('[name="object"]').select_option(str(number))
        expected = module.matches_of(module.objects.boxes[number].tolist())
        assert json.loads(shown.get_attribute("data-matches")) == expected


def test_priors_match_wherever_the_object_is_moved(figure):
    module = import_module("tutorial.figures.priors")
    shown = figure("10-priors", "priors")
    for keys in (["Shift+ArrowRight"] * 4, ["Shift+ArrowDown"] * 3, ["ArrowLeft"] * 5):
        for key in keys:
            shown.locator(".object").press(key)
        box = box_of(shown)
        assert json.loads(shown.get_attribute("data-matches")) == module.matches_of(box)
    before = box_of(shown)
    shown.locator("svg").scroll_into_view_if_needed()
    edges = shown.locator(".object").bounding_box()
    page = shown.page
    page.mouse.move(edges["x"] + 20, edges["y"] + 20)
    page.mouse.down()
    page.mouse.move(edges["x"] - 60, edges["y"] + 20, steps=4)
    page.mouse.up()
    after = box_of(shown)
    assert after[0] < before[0] - 20
    assert json.loads(shown.get_attribute("data-matches")) == module.matches_of(after)


def test_priors_of_a_cell_have_the_package_s_iou(figure):
    module = import_module("tutorial.figures.priors")
    shown = figure("10-priors", "priors")
    shown.locator('[name="object"]').select_option("9")
    for level, row, column in ((0, 5, 4), (1, 2, 1)):
        shown.locator('[name="grid"]').select_option(str(level))
        shown.locator('[name="row"]').fill(str(row + 1))
        shown.locator('[name="column"]').fill(str(column + 1))
        overlaps = singleshot_iou(module.boxes_of_cell(level, row, column), module.objects.boxes[9])
        cells = shown.locator('[data-rows="cell"] tr td:nth-child(3)').all_inner_texts()
        assert cells == [f"{overlap:.2f}" for overlap in overlaps]


def singleshot_iou(boxes, box):
    from singleshot.boxes.geometry import pairwise_iou

    return pairwise_iou(boxes, box[None])[:, 0].tolist()


def test_counts_are_those_of_the_built_networks(figure):
    shown = figure("11-the-8732-boxes", "counts")
    for recipe, side in (("ssd300-vgg16", 300), ("ssd300-vgg16", 440), ("ssd512-vgg16", 512)):
        shown.locator('[name="input"]').select_option(f"{recipe}/{side}")
        summary = singleshot.show_model(recipe, 20, [f"model.input=[{side},{side}]"])
        sides = json.loads(shown.get_attribute("data-sides"))
        assert sides == [level.grid[0] for level in summary.levels]
        assert value(shown, "total") == f"{summary.num_boxes:,}"
    shown.locator('[name="input"]').select_option("ssd300-vgg16/300")
    shown.locator(".levels input").first.uncheck()
    assert value(shown, "total") == f"{8732 - 38 * 38 * 4:,}"


def test_a_channel_changes_the_prior_and_the_number_that_the_figure_names(figure):
    """One channel of the real head is raised: the network's output shows what it is."""
    from singleshot.families import build_detector
    from singleshot.recipes.load import load_recipe

    shown = figure("12-output-channels", "channels")
    detector = build_detector(
        load_recipe("ssd300-vgg16").model, [str(number) for number in range(20)], pretrained=False
    )
    level, features = 1, torch.zeros(1, 1024, 19, 19)
    shown.locator('[name="level"]').select_option(str(level))
    for head, channel, values in (("classes", 100, 21), ("boxes", 9, 4), ("classes", 0, 21)):
        convolution = (detector.heads.logits if head == "classes" else detector.heads.offsets)[
            level
        ]
        torch.nn.init.zeros_(convolution.bias)
        convolution.bias.data[channel] = 1
        output = convolution(features).permute(0, 2, 3, 1).reshape(19 * 19, -1, values)
        ((prior, number),) = output[0].nonzero().tolist()
        shown.locator('[name="head"]').select_option(head)
        shown.locator(".strip button").nth(channel).click()
        text = value(shown, "meaning")
        assert f"Channel {channel} of {convolution.out_channels}: prior {prior} " in text
        named = f"class {number}," if head == "classes" else "centre y"
        assert named in text


def test_mined_negatives_have_the_package_s_loss(figure):
    module = import_module("tutorial.figures.matching_and_loss")
    shown = figure("13-matching-and-loss", "mining")
    for ratio in (0, 1, 3, 10):
        shown.locator('[name="ratio"]').fill(str(ratio))
        whole = mined_cross_entropy(
            module.outputs.logits,
            module.columns[None],
            negatives_per_positive=float(ratio),
            min_negatives=0,
        )
        expected = float(whole) - float(module.class_losses[module.positive].sum())
        assert float(shown.get_attribute("data-negatives")) == pytest.approx(expected, abs=0.02)
        assert shown.locator(".negatives rect").count() == ratio * module.num_matched


@pytest.mark.parametrize("milliseconds", [20, 30, 57, 58, 91, 105, 106, 1000])
def test_the_budget_names_the_most_accurate_detector_within_it(milliseconds, figure):
    module = import_module("tutorial.figures.comparison")
    shown = figure("15-comparison", "budget")
    shown.locator('[name="milliseconds"]').fill(str(milliseconds))
    best = module.best_within(milliseconds)
    text = value(shown, "summary")
    if best is None:
        assert "None is as fast" in text
    else:
        assert f"{best.framework} on {best.extractor}, AP {best.average_precision:g} %" in text


@pytest.mark.parametrize(("score", "iou"), [(0.05, 0.45), (0.15, 0.45), (0.5, 0.2), (0.3, 1.0)])
def test_nms_keeps_as_many_boxes_as_the_package(score, iou, figure):
    module = import_module("tutorial.figures.to_a_device")
    shown = figure("16-to-a-device", "nms")
    shown.locator('[name="score"]').fill(str(score))
    shown.locator('[name="iou"]').fill(str(iou))
    kept = module.detections_with(iou, score)
    assert shown.locator(".kept rect").count() == len(kept)
    candidates = module.detections_with(module.NO_NMS, score)
    assert f": {len(candidates)} boxes" in value(shown, "summary")


@pytest.mark.parametrize("width", [1, 7, 40])
def test_the_loss_is_averaged_over_the_last_steps(width, figure):
    module = import_module("tutorial.figures.training")
    shown = figure("14-training", "loss")
    shown.locator('[name="width"]').fill(str(width))
    for part in module.PARTS:
        mean = sum(row.values[part] for row in module.steps[-width:]) / width
        assert f"{part} {mean:.3f}" in value(shown, "summary")
