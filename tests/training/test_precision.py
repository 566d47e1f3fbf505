import math

import pytest
import torch
from cells import make_cells

import singleshot
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.runs.log import read_log
from singleshot.training import precision
from singleshot.training.precision import Pass, bfloat16_is_worth_it, measured_precision
from singleshot.training.step_monitor import StepMonitor


def passes(seconds, *, finite=True):
    return [Pass(s, finite) for s in seconds]


def test_half_of_the_digits_are_given_up_for_a_tenth_of_the_time_and_no_less():
    full = passes([2.0, 1.1, 1.3])
    assert bfloat16_is_worth_it({"float32": full, "bfloat16": passes([9.0, 1.0, 1.2])})
    assert not bfloat16_is_worth_it({"float32": full, "bfloat16": passes([1.01, 1.02, 1.03])})


def test_one_gradient_that_is_not_finite_is_enough_to_stay_with_float32():
    broken = passes([0.1, 0.1]) + passes([0.1], finite=False)
    assert not bfloat16_is_worth_it({"float32": passes([1.0]), "bfloat16": broken})


def built(**overrides):
    recipe = load_recipe("ssdlite320-lite0", {"model.input": [96, 128], **overrides})
    return build_detector(recipe.model, ["one"], pretrained=False)


PLAIN = {
    "model.backbone.name": "resnet18",
    "model.backbone.weights": "none",
    "model.pyramid.block": "plain",
    "model.pyramid.top_down": 0,
    "model.heads.block": "plain",
}


def test_a_cpu_measures_nothing_and_keeps_float32(monkeypatch):
    monkeypatch.setattr(precision, "time_pass", None)
    assert measured_precision(built(**PLAIN), torch.device("cpu"), 2) == "float32"


@pytest.mark.parametrize(("seconds", "chosen"), [(0.5, "bfloat16"), (1.5, "float32")])
def test_the_faster_is_taken_and_nothing_changes(monkeypatch, seconds, chosen):
    monkeypatch.setattr(precision, "bfloat16_is_possible", lambda _: True)
    really = precision.time_pass

    def timed(copy, batch, device, kind):
        assert len(batch) == 3
        found = really(copy, batch, device, kind)
        # A CPU's gradients are not always finite; that is tested elsewhere.
        return found._replace(seconds=seconds if kind == "bfloat16" else 1.0, finite=True)

    monkeypatch.setattr(precision, "time_pass", timed)
    model = built(**PLAIN)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    random = torch.get_rng_state()
    assert measured_precision(model, torch.device("cpu"), 3) == chosen
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(("fitting", "tried"), [(4, [16, 8, 4]), (0, [16, 8, 4, 2])])
def test_fewer_images_are_taken_where_the_batch_does_not_fit(monkeypatch, fitting, tried):
    found = []

    def timed(_copy, batch, _device, _kind):
        if not found or found[-1] != len(batch):
            found.append(len(batch))
        if len(batch) > fitting:
            raise torch.OutOfMemoryError
        return Pass(1.0, finite=True)

    monkeypatch.setattr(precision, "bfloat16_is_possible", lambda _: True)
    monkeypatch.setattr(precision, "time_pass", timed)
    assert measured_precision(built(**PLAIN), torch.device("cpu"), 16) == "float32"
    assert found == tried


def test_a_quantised_detector_stays_in_float32(monkeypatch):
    monkeypatch.setattr(precision, "bfloat16_is_possible", lambda _: True)
    monkeypatch.setattr(precision, "time_pass", None)
    model = built(**{"model.quantization.activations": "affine"})
    assert measured_precision(model, torch.device("cpu"), 2) == "float32"


def test_training_in_bfloat16_keeps_weights_in_float32(tmp_path, monkeypatch):
    # A CPU's gradients are not always finite; that is tested elsewhere.
    monkeypatch.setattr(StepMonitor, "require_finite", lambda *_: None)
    run = singleshot.train(
        "ssdlite320-lite0",
        make_cells(tmp_path / "cells"),
        run=tmp_path / "run",
        overrides={
            "training.epochs": 1,
            "training.batch_size": 3,
            "training.precision": "bfloat16",
            "model.input": [96, 128],
            **PLAIN,
        },
    )
    losses = [
        r["classification"] for r in read_log(run.folder / "log.jsonl") if r["kind"] == "step"
    ]
    # The second may come after a step with a gradient that was not.
    assert len(losses) == 2
    assert math.isfinite(losses[0])
    detector = singleshot.load(run.folder)
    assert {tensor.dtype for tensor in detector.parameters()} == {torch.float32}


def test_the_chosen_precision_is_written_into_the_recipe_of_the_run(tmp_path):
    run = singleshot.train(
        "ssdlite320-lite0",
        make_cells(tmp_path / "cells"),
        run=tmp_path / "run",
        overrides={"training.epochs": 1, "model.input": [96, 128]},
    )
    assert load_recipe(run.folder / "recipe.toml").training.precision == "float32"
