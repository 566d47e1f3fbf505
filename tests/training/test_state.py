"""The state of a training, saved and loaded again."""

# Tests singleshot/runs/progress.py

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW

from singleshot.errors import ModelError
from singleshot.runs.progress import TrainingProgress, load_progress
from singleshot.training.optimizers import WeightAverage
from singleshot.training.processes import ALONE
from singleshot.training.state import load_state, save_state


def parts():
    """A model, its average and its optimizer."""
    model = nn.Linear(2, 1)
    return model, WeightAverage(model, 0.9), SGD(model.parameters(), lr=0.1, momentum=0.9)


def begun(num_steps, step=0, data="cells"):
    return TrainingProgress(step=step, num_steps=num_steps, best=None, data=data)


def saved(folder, progress):
    save_state(folder / "state.safetensors", progress, *parts(), ALONE)
    return folder / "state.safetensors"


def resumed(path, expected):
    return load_state(path, *parts(), processes=ALONE, expected=expected)


def test_a_run_fitted_anew_before_its_first_step_resumes_whatever_its_recipe(tmp_path):
    path = saved(tmp_path, begun(100).with_num_steps(60))
    assert resumed(path, begun(100)).num_steps == 60
    # Nothing was done of the schedule: it is that of a run of 60 steps, to the last bit.
    assert load_progress(path).schedule_step == 0
    halfway = TrainingProgress(7, 60, None, "cells", fitted_at=0)
    assert halfway.schedule_step == 7
    assert halfway.part == 7 / 60


def test_another_length_is_refused_as_such(tmp_path):
    path = saved(tmp_path, begun(100))
    words = r"was begun with 100 steps, and this recipe has 60; resume with the recipe it"
    with pytest.raises(ModelError, match=words):
        resumed(path, begun(60))


def test_other_images_are_refused_as_such_however_long_it_is(tmp_path):
    path = saved(tmp_path, begun(100).with_num_steps(60))
    with pytest.raises(ModelError, match="with other images, boxes, classes or another split"):
        resumed(path, begun(60, data="others"))


def test_random_numbers_of_a_mac_come_back(tmp_path, monkeypatch):
    held = [torch.tensor([1, 2], dtype=torch.uint8)]
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: held[-1])
    monkeypatch.setattr(torch.mps, "set_rng_state", held.append)
    path = saved(tmp_path, begun(2))
    held.append(torch.tensor([3, 4], dtype=torch.uint8))
    resumed(path, begun(2))
    assert held[-1].tolist() == [1, 2]


def test_momentum_and_random_numbers_come_back(tmp_path):
    model, average, optimizer = parts()
    model(torch.ones(2)).backward()
    optimizer.step()
    path = tmp_path / "state.safetensors"
    save_state(path, begun(2, step=1), model, average, optimizer, ALONE)
    drawn = torch.rand(3)
    others = parts()
    load_state(path, *others, processes=ALONE, expected=begun(2))
    assert torch.equal(torch.rand(3), drawn)
    assert torch.equal(others[0].weight, model.weight)
    momentum = others[2].state[others[0].weight]["momentum_buffer"]
    assert momentum.tolist() == [[1.0, 1.0]]


def test_adamw_continues_as_if_it_had_not_been_interrupted(tmp_path):
    def make():
        torch.manual_seed(0)
        model = nn.Linear(2, 1)
        optimizer = AdamW(model.parameters(), lr=0.1)
        return model, WeightAverage(model, 0.9), optimizer

    def step(model, optimizer):
        optimizer.zero_grad()
        model(torch.tensor([1.0, -2.0])).square().sum().backward()
        optimizer.step()

    model, average, optimizer = make()
    for _ in range(3):
        step(model, optimizer)
    path = tmp_path / "state.safetensors"
    save_state(path, begun(4, step=3), model, average, optimizer, ALONE)
    others = make()
    load_state(path, *others, processes=ALONE, expected=begun(4))
    step(model, optimizer)
    step(others[0], others[2])
    assert torch.equal(others[0].weight, model.weight)
    assert torch.equal(others[0].bias, model.bias)
