"""Several processes compute the loss and the gradient of one."""

from __future__ import annotations

import pytest
import torch
from groups import run_group

from singleshot.errors import FailedInAnotherProcess, SingleshotError
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.structures import Batch, Truth
from singleshot.training import build as trainings
from singleshot.training import processes as processing
from singleshot.training.batch_norm import synchronise_batch_norms
from singleshot.training.frozen import set_training_mode
from singleshot.training.gradients import Gradients
from singleshot.training.processes import (
    ALONE,
    Processes,
    choose_backend,
    processes_from_environment,
)

HEIGHT, WIDTH = 64, 96
OBJECTS = (3, 0, 1, 2, 5)  # in each image; two processes have shares of two and three
RULES = {
    "bipartite": {},
    "task-aligned": {
        "model.matching.rule": "task-aligned",
        "model.heads.scores": "sigmoid",
        "model.loss.classification": "varifocal",
    },
}
FROZEN = ("batch_norm",)


def batch() -> Batch:
    random = torch.Generator().manual_seed(0)

    def truth(number: int) -> Truth:
        corner = torch.rand(number, 2, generator=random) * torch.tensor([WIDTH / 2, HEIGHT / 2])
        side = 8 + 20 * torch.rand(number, 2, generator=random)
        labels = torch.randint(2, (number,), generator=random)
        return Truth.of(torch.cat([corner, corner + side], dim=1), labels)

    images = torch.randint(
        256, (len(OBJECTS), HEIGHT, WIDTH, 3), generator=random, dtype=torch.uint8
    )
    truths = tuple(map(truth, OBJECTS))
    names = tuple(f"{number} objects" for number in OBJECTS)
    return Batch(images.permute(0, 3, 1, 2), truths, names)


def learned(
    share: Batch, processes: Processes, rule: str, *, num_parts: int = 1, frozen: bool = False
) -> dict[str, torch.Tensor]:
    """The losses and the gradient of a batch; in float64, so that rounding hides nothing."""
    overrides = {"model.input": [HEIGHT, WIDTH], "model.backbone.weights": "none", **RULES[rule]}
    torch.manual_seed(0)
    recipe = load_recipe("ssdlite320-lite0", overrides)
    model = build_detector(recipe.model, ("cat", "dog"), pretrained=False).double()
    model.priors_cxcywh_unit = model.priors.boxes_cxcywh_unit  # outputs are float32 from there on
    # What rounding makes of flat maps is not what this is about.
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = 1e-2
    set_training_mode(model, FROZEN if frozen else ())
    if processes.is_distributed:
        synchronise_batch_norms(model, torch.device("cpu"))
    device = torch.device("cpu")
    gradients = Gradients(model, processes, device, "float32", num_parts=num_parts)
    losses = gradients.add(share)
    found = {name: parameter.grad for name, parameter in model.named_parameters()}
    return {
        "localization": losses.terms["localization"],
        "classification": losses.terms["classification"],
        "matches": torch.tensor(losses.num_matches),
        **{name: gradient.clone() for name, gradient in found.items()},
    }


def learn_shares(rank: int) -> dict[str, dict[str, torch.Tensor]]:
    processes = Processes(rank=rank, world_size=2)
    share = batch().parts(2)[rank]
    found = {rule: learned(share, processes, rule) for rule in RULES}
    return {**found, "in parts": learned(share, processes, "bipartite", num_parts=2, frozen=True)}


@pytest.fixture(scope="module")
def shares():
    """What two processes find together, each with its share of the batch."""
    return run_group(learn_shares, 2)


def require_equal(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found["matches"] == expected["matches"] > 10
    for name, value in expected.items():
        torch.testing.assert_close(
            found[name], value, rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("rule", RULES)
def test_two_processes_with_unequal_shares_find_the_gradient_of_one(rule, shares):
    alone = learned(batch(), ALONE, rule)
    for share in shares:
        require_equal(share[rule], alone)


def test_parts_of_shares_add_up_to_the_gradient_of_the_whole_batch(shares):
    alone = learned(batch(), ALONE, "bipartite", frozen=True)
    require_equal(learned(batch(), ALONE, "bipartite", num_parts=3, frozen=True), alone)
    for share in shares:
        require_equal(share["in parts"], alone)


def test_parts_of_a_batch_differ_by_one_image_at_most():
    assert [len(part) for part in batch().parts(3)] == [1, 2, 2]


def test_several_processes_avoid_an_accelerator_without_collective_operations(monkeypatch):
    for device, expected in (("mps", ["mps", "cpu"]), ("cuda", ["cuda", "cuda"])):
        monkeypatch.setattr(trainings, "choose_device", lambda _, found=device: torch.device(found))
        devices = [trainings.training_device(one) for one in (ALONE, Processes(world_size=2))]
        assert [device.type for device in devices] == expected
    monkeypatch.setattr(trainings, "choose_device", torch.device)
    with pytest.raises(SingleshotError, match="device: cuda:1: processes of torchrun compute on"):
        trainings.training_device(Processes(world_size=2), "cuda:1")


def test_torchrun_sets_rank_and_world_size():
    environment = {
        "RANK": "3",
        "WORLD_SIZE": "4",
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "2",
        "TORCHELASTIC_RUN_ID": "any",
        "TORCHELASTIC_RESTART_COUNT": "1",
    }
    assert processes_from_environment(environment) == Processes(
        rank=3, world_size=4, local_rank=1, local_world_size=2, supervised=True, restarted=True
    )
    assert processes_from_environment({}) == ALONE


class Cards:
    """As many GPUs as a machine may have."""

    def __init__(self, monkeypatch, count):
        self.chosen = []
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "set_device", self.chosen.append)
        monkeypatch.setattr(processing, "SECONDS_TO_PRINT", 0.0)


def test_each_process_has_its_own_gpu(monkeypatch):
    cards = Cards(monkeypatch, 2)
    second = Processes(rank=1, world_size=2, local_rank=1, local_world_size=2)
    assert choose_backend(second, "auto") == "cpu:gloo,cuda:nccl"
    assert cards.chosen == [1]


def test_processes_on_the_cpu_need_no_gpu(monkeypatch):
    cards = Cards(monkeypatch, 1)
    second = Processes(rank=1, world_size=2, local_rank=1, local_world_size=2)
    for device in ("cpu", torch.device("cpu")):
        assert choose_backend(second, device) == "gloo"
    assert cards.chosen == []


def test_more_processes_than_gpus_are_refused_by_one_of_them(monkeypatch):
    cards = Cards(monkeypatch, 1)
    processes = [
        Processes(rank=rank, world_size=2, local_rank=rank, local_world_size=2) for rank in (0, 1)
    ]
    message = "2 processes, but 1 GPUs on this machine: .* --nproc-per-node 1, or .* --device cpu"
    with pytest.raises(SingleshotError, match=message):
        choose_backend(processes[0], "cuda")
    with pytest.raises(FailedInAnotherProcess):
        choose_backend(processes[1], "cuda")
    assert cards.chosen == []
