"""Shards of a data set, evaluated by processes of their own, are worth just what the whole is."""

from __future__ import annotations

import json
import multiprocessing

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import tiny

from singleshot.data.dataset import DataSet
from singleshot.evaluation.detection import detect_all
from singleshot.evaluation.evaluate_predictions import evaluate_predictions
from singleshot.families import build_detector
from singleshot.metrics import Predictions, Protocol
from singleshot.recipes.load import load_recipe
from singleshot.structures import Truth

NUM_IMAGES = 11
CLASSES = ("cat", "dog")


@pytest.fixture(scope="module")
def detector():
    recipe = load_recipe("ssd321-resnet101", {**tiny("ssd321-resnet101"), "model.input": [96, 96]})
    torch.manual_seed(0)
    return build_detector(recipe.model, CLASSES, pretrained=False).eval()


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Noise, without any object."""
    folder, random = tmp_path_factory.mktemp("noise"), torch.Generator().manual_seed(0)
    paths = [folder / f"{index}.png" for index in range(NUM_IMAGES)]
    for path in paths:
        noise = torch.randint(256, (60, 80, 3), generator=random, dtype=torch.uint8)
        Image.fromarray(noise.numpy()).save(path)
    none = Truth.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    return DataSet.of(CLASSES, [(path, none) for path in paths], description="noise")


@pytest.fixture(scope="module")
def whole(detector, images):
    return detect_all(detector, images, batch_size=2)


@pytest.fixture(scope="module")
def dataset(images, whole):
    """The same images; every seventh detection of the whole, moved a little, is an object."""
    truths = []
    for index in range(NUM_IMAGES):
        some = whole[np.flatnonzero(whole.images == index)[::7]]
        boxes = torch.from_numpy(some.boxes).float().round() + torch.tensor([0.0, 0, 2, 2])
        truths.append(Truth.of(boxes, torch.from_numpy(some.labels)))
    paths = images.paths.tolist()
    return DataSet.of(CLASSES, zip(paths, truths, strict=True), description="noise")


@pytest.fixture(scope="module")
def shards(detector, images):
    """What three processes find in their shards."""
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        shares = [{"batch_size": 2, "shard": shard, "num_shards": 3} for shard in range(3)]
        waiting = [pool.apply_async(detect_all, (detector, images), share) for share in shares]
        return [one.get() for one in waiting]


def test_shards_take_turns_with_batches_and_keep_the_index_of_images(shards):
    taken = [sorted(set(shard.images.tolist())) for shard in shards]
    assert taken == [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10]]


@pytest.mark.parametrize("protocol", list(Protocol))
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_shards_of_three_processes_merge_to_the_very_numbers_of_one(
    shards, whole, dataset, protocol, order
):
    merged = Predictions.merge([shards[shard] for shard in order])
    reports = [evaluate_predictions(found, dataset, protocol=protocol) for found in (merged, whole)]
    documents = [json.dumps(report.to_json()) for report in reports]
    assert documents[0] == documents[1]
    assert 0.05 < reports[0].mean_average_precision < 0.95


def test_more_shards_than_batches_leave_some_empty(detector, images):
    told = []
    nothing = detect_all(
        detector,
        images,
        batch_size=8,
        shard=2,
        num_shards=3,
        progress=lambda done, of: told.append((done, of)),
    )
    assert len(nothing) == 0
    assert told == []


def test_progress_counts_the_images_of_the_shard(detector, images):
    told = []
    detect_all(
        detector,
        images,
        batch_size=2,
        shard=2,
        num_shards=3,
        progress=lambda done, of: told.append((done, of)),
    )
    assert told == [(2, 3), (3, 3)]
