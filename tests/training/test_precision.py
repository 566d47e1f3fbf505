import math

import torch
from cells import make_cells

import singleshot
from singleshot.build import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.structures import Batch, Truth
from singleshot.training.log import read_log
from singleshot.training.precision import faster_precision


def test_measuring_leaves_the_detector_as_it_was():
    recipe = load_recipe("ssdlite320-lite0", {"model.input": [96, 128]})
    detector = build_detector(recipe.model, ["cell"], pretrained=False).train()
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    truth = Truth.of(torch.tensor([[10.0, 10, 60, 60]]), torch.tensor([0]))
    batch = Batch(torch.zeros(2, 3, 96, 128, dtype=torch.uint8), (truth, truth), ("a", "b"))
    chosen = faster_precision(detector, batch, torch.device("cpu"))
    assert chosen in {"float32", "bfloat16"}
    assert all(torch.equal(tensor, before[name]) for name, tensor in detector.state_dict().items())
    assert all(parameter.grad is None for parameter in detector.parameters())


def test_training_in_bfloat16_has_finite_losses_and_float32_weights(tmp_path):
    run = singleshot.train(
        "ssdlite320-lite0",
        make_cells(tmp_path / "cells"),
        run=tmp_path / "run",
        overrides={
            "training.epochs": 1,
            "training.batch_size": 3,
            "training.precision": "bfloat16",
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


def test_what_was_measured_is_written_into_the_recipe_of_the_run(tmp_path):
    run = singleshot.train(
        "ssdlite320-lite0",
        make_cells(tmp_path / "cells"),
        run=tmp_path / "run",
        overrides={"training.epochs": 1, "model.input": [96, 128]},
    )
    assert load_recipe(run.folder / "recipe.toml").training.precision in {"float32", "bfloat16"}
