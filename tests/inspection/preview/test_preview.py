"""The preview of a training on made-up cells, against the training's own functions."""

# Tests singleshot/inspection/preview/figures.py
# Tests singleshot/inspection/preview/options.py
# Tests singleshot/inspection/preview/page.py
# Tests singleshot/inspection/preview/scene.py

from __future__ import annotations

import json
import shutil

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from cells import make_cells
from page_reader import Reader
from PIL import Image
from small import TINY

import singleshot
from singleshot.data.augment.pipeline import Augmentation
from singleshot.data.batching import AugmentedImages, Draw
from singleshot.data.opening import open_dataset
from singleshot.errors import ModelError
from singleshot.recipes.load import load_recipe
from singleshot.structures import Batch

SMALL = {
    "model.input": [96, 128],
    "model.backbone": TINY,
    "model.pyramid.extra": [],
    "model.priors.sizes_unit": [0.35, 0.5],
    "model.priors.aspect_ratios": [[2]],
    "training.steps": 1,
    "training.batch_size": 2,
}
RECIPE, NUMBER = "ssdlite320-lite0", 4


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return make_cells(tmp_path_factory.mktemp("data") / "cells")


@pytest.fixture(scope="module")
def run(cells, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "small"
    singleshot.train(RECIPE, cells, run=folder, overrides=SMALL)
    return folder


@pytest.fixture(scope="module")
def previewed(cells, run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("preview")
    return singleshot.preview_data(
        RECIPE, cells, folder, number=NUMBER, with_model=run, report=True, overrides=SMALL
    )


def first_batch(cells, run, names) -> Batch:
    """The samples of these images, as the first epoch of training draws them."""
    recipe, dataset = load_recipe(RECIPE, SMALL), open_dataset(cells, "train")
    grey = [round(value) for value in singleshot.load(run, "cpu").pixel_mean.flatten().tolist()]
    augmentation = Augmentation.of(recipe.augmentation, recipe.model.input, tuple(grey))
    images = AugmentedImages(dataset, augmentation, recipe.training.seed)
    places = [dataset.paths.tolist().index(name) for name in names]
    return Batch.of([images[Draw(0, place)] for place in places])


def test_images_may_lie_elsewhere(cells, tmp_path):
    folder = shutil.copytree(cells, tmp_path / "cells")
    elsewhere = (folder / "JPEGImages").rename(tmp_path / "elsewhere")
    made = singleshot.preview_data(
        RECIPE, folder, tmp_path / "out", number=1, overrides=SMALL, images=elsewhere
    )
    assert len(made.samples) == 1


def test_samples_matches_and_negatives_are_those_of_training(previewed, cells, run):
    batch = first_batch(cells, run, [one.name for one in previewed.samples])
    assert [one.objects for one in previewed.samples] == [len(truth) for truth in batch.truths]
    detector = singleshot.load(run, "cpu")
    losses = detector.losses(batch)
    assert sum(sum(one.matches.values()) for one in previewed.samples) == losses.num_matches > 0
    for one in previewed.samples:
        # Three hard negatives for each match, and ten of an image at least, as the recipe has it.
        assert one.negatives == max(3 * sum(one.matches.values()), 10)


def test_every_file_is_an_image(previewed):
    files = [file for one in previewed.samples for file in one.files]
    assert len(files) >= 2 * NUMBER
    for file in files:
        with Image.open(file) as image:
            image.verify()


def test_the_document_is_plain_json(previewed):
    document = json.loads(json.dumps(previewed.to_json()))
    assert [one["objects"] for one in document] == [one.objects for one in previewed.samples]


def test_the_page_has_a_mark_for_every_match_and_every_negative(previewed):
    reader = Reader.of(previewed.page)
    matches = sum(sum(one.matches.values()) for one in previewed.samples)
    assert len(reader.of_class("matched")) == matches + 1  # and the key
    assert len(reader.of_class("centre")) == sum(one.negatives for one in previewed.samples)


def test_another_seed_shows_other_samples(cells, tmp_path):
    names = [
        [
            one.name
            for one in singleshot.preview_data(
                RECIPE, cells, tmp_path / str(seed), number=NUMBER, seed=seed, overrides=SMALL
            ).samples
        ]
        for seed in (0, 0, 1)
    ]
    assert names[0] == names[1] != names[2]


def test_a_detector_without_priors_has_its_samples_drawn_alone(cells, tmp_path):
    messages = []
    previewed = singleshot.preview_data(
        "localizer", cells, tmp_path, number=1, report=True, on_message=messages.append
    )
    assert [file.name for file in previewed.samples[0].files] == ["sample-01.png"]
    assert any("has no priors" in message for message in messages)
    assert "matched prior" not in Reader.of(previewed.page).text


def test_a_model_of_another_input_size_is_refused(cells, run, tmp_path):
    with pytest.raises(ModelError, match=r"has the input \[96, 128\], the recipe \[320, 320\]"):
        singleshot.preview_data(RECIPE, cells, tmp_path, with_model=run)


def test_random_matches_of_an_untrained_network_are_named_so(cells, tmp_path):
    messages = []
    overrides = {**SMALL, "model.matching.rule": "simota"}
    singleshot.preview_data(
        RECIPE, cells, tmp_path, number=2, overrides=overrides, on_message=messages.append
    )
    assert any("by the network's outputs" in message for message in messages)


def test_no_random_number_of_the_caller_is_used(cells, tmp_path):
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    singleshot.preview_data(RECIPE, cells, tmp_path, number=1, overrides=SMALL)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(("width", "colours"), [(390, "dark"), (1440, "light")])
def test_the_page_fits_needs_no_network_and_axe_finds_no_violations(
    browser, previewed, width, colours
):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=colours)
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(previewed.page.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert Axe().run(page).response["violations"] == []
    own = previewed.page.as_uri()
    assert [url for url in requests if not url.startswith("data:")] == [own]
