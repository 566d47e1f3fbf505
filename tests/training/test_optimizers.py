import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.optim import AdamW

from singleshot.recipes.training import ScheduleSettings, TrainingSettings, scale_rate
from singleshot.training.optimizers import build_optimizer, rate_at, set_learning_rate


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Conv2d(3, 4, 1)
        self.head = nn.Sequential(nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2))


def test_biases_and_norms_are_not_decayed_and_biases_of_convolutions_learn_twice_as_fast():
    settings = TrainingSettings(
        epochs=1,
        learning_rate=0.1,
        weight_decay=0.01,
        bias_learning_rate=2.0,
        backbone_learning_rate=0.5,
    )
    model = Small()
    groups = {
        (group["lr"], group["weight_decay"]): {id(p) for p in group["params"]}
        for group in build_optimizer(model, settings).param_groups
    }
    conv, norm = model.head
    assert groups == {
        (0.05, 0.01): {id(model.backbone.weight)},
        (0.1, 0.0): {id(model.backbone.bias), id(norm.weight), id(norm.bias)},
        (0.1, 0.01): {id(conv.weight)},
        (0.2, 0.0): {id(conv.bias)},
    }


def test_adamw_has_the_same_groups_with_decoupled_decay():
    settings = TrainingSettings(
        epochs=1, optimizer="adamw", learning_rate=0.1, weight_decay=0.5, momentum=0.8
    )
    model = Small()
    optimizer = build_optimizer(model, settings)
    assert isinstance(optimizer, AdamW)
    assert optimizer.defaults["betas"] == (0.8, 0.999)
    weight, bias = model.backbone.weight, model.backbone.bias
    before = weight.detach().clone(), bias.detach().clone()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    # A first step is one of the rate, whatever the gradient (Kingma and Ba 2015, §2.1).
    assert torch.allclose(weight, before[0] * (1 - 0.1 * 0.5) - 0.1)
    assert torch.allclose(bias, before[1] - 0.1)


def test_what_adamw_ignores_is_refused():
    with pytest.raises(ValidationError, match="nesterov needs optimizer = 'sgd'"):
        TrainingSettings(epochs=1, optimizer="adamw", nesterov=True)


@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", 0.4), ("adamw", 0.2)])
def test_the_rate_is_scaled_by_the_rule_of_the_optimizer(optimizer, rate):
    assert scale_rate(0.1, 4, optimizer) == pytest.approx(rate)


def test_frozen_parameters_are_left_out():
    model = Small()
    model.backbone.requires_grad_(False)
    groups = build_optimizer(model, TrainingSettings(epochs=1)).param_groups
    assert sum(len(group["params"]) for group in groups) == 4


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 0.001), (50, 0.5005), (100, 1.0), (1000, 0.5), (2000, 0.0)]
)
def test_cosine_with_warm_up(step, expected):
    settings = ScheduleSettings(warm_up=100)
    assert rate_at(step, 2000, settings) == pytest.approx(expected, abs=0.01)


def test_the_papers_steps():
    settings = ScheduleSettings(kind="step", milestones=(80 / 120, 100 / 120))
    rates = [rate_at(step, 120_000, settings) for step in (0, 79_999, 80_000, 99_999, 100_000)]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_a_warm_up_takes_a_tenth_of_the_training_at_most():
    assert rate_at(10, 100, ScheduleSettings(warm_up=500)) > 0.9


def test_the_rate_of_every_group_follows():
    optimizer = build_optimizer(Small(), TrainingSettings(epochs=1, bias_learning_rate=2.0))
    set_learning_rate(optimizer, 0.1)
    assert sorted({group["lr"] for group in optimizer.param_groups}) == [0.001, 0.002]


def test_an_average_moves_towards_the_weights():
    from singleshot.training.optimizers import WeightAverage

    model = nn.BatchNorm2d(1)
    average = WeightAverage(model, decay=0.9)
    with torch.no_grad():
        model.weight.fill_(2.0)
    average.update(step=1_000)
    assert average.model.weight.item() == pytest.approx(1.1)
    # A young average forgets its start.
    average.update(step=1)
    assert average.model.weight.item() == pytest.approx(1.1 + 0.9 * 10 / 11, abs=1e-3)


def test_an_average_with_its_start_keeps_it_by_the_decay_alone():
    from singleshot.training.optimizers import WeightAverage

    model = nn.BatchNorm2d(1)
    average = WeightAverage(model, decay=0.9, keep_start=True)
    with torch.no_grad():
        model.weight.fill_(2.0)
    average.update(step=1)
    assert average.model.weight.item() == pytest.approx(1.1)
