import math

import torch
from cells import make_cells

import singleshot
from singleshot.build import best_device
from singleshot.recipes.load import load_recipe
from singleshot.training.log import read_log
from singleshot.training.precision import precision_on


def test_a_processor_computes_in_float32():
    assert precision_on(torch.device("cpu")) == "float32"


def test_training_in_bfloat16_has_finite_losses_and_float32_weights(tmp_path):
    run = singleshot.train(
        "ssdlite320-lite0",
        make_cells(tmp_path / "cells"),
        run=tmp_path / "run",
        overrides={
            "training.epochs": 1,
            "training.batch_size": 3,
            "training.precision": "bfloat16",
            # Without depthwise convolutions, whose bfloat16 gradients are not sound on a processor.
            "model.backbone.name": "resnet18",
            "model.backbone.weights": "none",
            "model.pyramid.block": "plain",
            "model.pyramid.top_down": 0,
            "model.heads.block": "plain",
            "model.input": [96, 128],
        },
    )
    losses = [
        r["classification"] for r in read_log(run.folder / "log.jsonl") if r["kind"] == "step"
    ]
    assert len(losses) == 2
    assert all(map(math.isfinite, losses))
    detector = singleshot.load(run.folder)
    assert {tensor.dtype for tensor in detector.parameters()} == {torch.float32}


def test_what_was_chosen_is_written_into_the_recipe_of_the_run(tmp_path):
    run = singleshot.train(
        "ssdlite320-lite0",
        make_cells(tmp_path / "cells"),
        run=tmp_path / "run",
        overrides={"training.epochs": 1, "model.input": [96, 128]},
    )
    assert load_recipe(run.folder / "recipe.toml").training.precision == str(
        precision_on(best_device())
    )
