"""Every way of learning that a recipe can choose does learn, from images without objects too."""

import pytest
import torch
from callbacks import Recorder
from cells import make_cells

import singleshot
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.data.batching import Draw
from singleshot.data.opening import open_dataset
from singleshot.detectors.ssd.loss import multibox_loss
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.structures import Batch, Truth
from singleshot.training.build import build_images

TINY = {
    "model.input": [96, 128],
    "model.backbone.name": "mobilenetv3_small_050",
    "model.backbone.weights": "none",
    "model.backbone.frozen_stride": 0,
}
SIGMOID = {"model.heads.scores": "sigmoid"}
CASES = {
    "softmax": {},
    "softmax smoothed": {"model.loss.label_smoothing": 0.1},
    "sigmoid": SIGMOID,
    "sigmoid smoothed": {**SIGMOID, "model.loss.label_smoothing": 0.1},
    **{
        kind: {**SIGMOID, "model.loss.classification": kind}
        for kind in ("focal", "quality-focal", "varifocal")
    },
    **{
        kind: {"model.loss.localization": kind, "model.loss.localization_weight": 2.0}
        for kind in ("giou", "diou", "ciou")
    },
    "atss": {"model.matching.rule": "atss"},
    **{
        f"{rule} with {kind}": {
            **SIGMOID,
            "model.matching.rule": rule,
            "model.loss.classification": kind,
            "model.loss.localization": "giou",
            "model.loss.localization_weight": 2.0,
        }
        for rule, kind in (
            ("atss", "quality-focal"),
            ("task-aligned", "quality-focal"),
            ("task-aligned", "varifocal"),
            ("task-aligned", "mined"),
            ("simota", "quality-focal"),
            ("simota", "focal"),
        )
    },
    "task-aligned with softmax": {"model.matching.rule": "task-aligned"},
    "simota with softmax": {"model.matching.rule": "simota"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_cells(tmp_path_factory.mktemp("data") / "cells")


@pytest.fixture(scope="module")
def cells(folder):
    return open_dataset(folder, "train")


@pytest.fixture(scope="module")
def batch(cells):
    """Two cells each, and an image without any."""
    batch = Batch.of([cells[index] for index in (3, 4, 5)])
    assert [len(truth) for truth in batch.truths] == [2, 2, 0]
    return batch


def detector(num_classes, case):
    torch.manual_seed(0)
    recipe = load_recipe("ssdlite320-lite0", {**TINY, **CASES[case]})
    names = [f"class {number}" for number in range(num_classes)]
    return build_detector(recipe.model, names, pretrained=False).train()


def one_class(batch):
    truths = [truth[truth.labels == 0] for truth in batch.truths]
    return Batch(batch.images, tuple(truths), batch.names)


@pytest.mark.parametrize("num_classes", [2, 1])
@pytest.mark.parametrize("case", CASES)
def test_a_few_steps_lower_the_loss(batch, case, num_classes):
    learns(detector(num_classes, case), batch if num_classes == 2 else one_class(batch))


@pytest.mark.parametrize("mixing", ["mosaic", "mixup"])
def test_images_of_several_are_learned(cells, mixing):
    model = detector(2, "softmax")
    recipe = load_recipe("ssdlite320-lite0", {**TINY, f"augmentation.{mixing}": 1.0})
    varied = build_images(recipe, cells, model)
    learns(model, Batch.of([varied[Draw(0, index)] for index in range(4)]))


def learns(model, batch):
    """Six steps on one batch lower the total by a tenth at least, with finite gradients."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    totals = []
    for _ in range(6):
        total = model.losses(batch).total
        optimizer.zero_grad()
        total.backward()
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < 0.9 * totals[0]


@pytest.mark.parametrize("case", CASES)
def test_images_without_objects_give_zero_localization_loss(batch, case):
    nothing = Truth.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    losses = detector(2, case).losses(Batch(batch.images[:2], (nothing, nothing), batch.names[:2]))
    assert losses.terms["localization"] == 0
    assert losses.total.isfinite()
    losses.total.backward()


@pytest.mark.parametrize("case", ["softmax", "giou", "focal", "task-aligned with varifocal"])
def test_losses_are_float32_under_mixed_precision(batch, case):
    model = detector(2, case)
    with torch.no_grad():
        terms = (*model.match(batch), model.priors, model.loss_options)
    scores = model.heads.scores
    with torch.autocast("cpu", torch.bfloat16):
        mixed = multibox_loss(*terms, scores=scores)
    assert mixed.terms == multibox_loss(*terms, scores=scores).terms
    assert mixed.total.dtype == torch.float32


def test_a_run_with_all_modern_options_resumes_bit_for_bit(folder, tmp_path):
    overrides = {
        **TINY,
        **CASES["task-aligned with quality-focal"],
        "augmentation.mosaic": 0.5,
        "augmentation.mixup": 0.5,
        "augmentation.clean_end": 0.4,
        "model.results.nms": "weighted",
        "model.results.flip_tta": True,
        "training.epochs": 2,
        "training.batch_size": 3,
        "training.precision": "float32",
    }

    def train(name, **more):
        return singleshot.train(
            "ssdlite320-lite0", folder, run=tmp_path / name, overrides=overrides, **more
        )

    whole = train("whole")
    assert train("stopped", callback=Recorder(after=2)).interrupted
    resumed = train("stopped", resume=True)
    assert (whole.steps, resumed.steps) == (4, 4)
    ours, theirs = (
        Checkpoint.load(run.folder / "checkpoints/last.safetensors") for run in (resumed, whole)
    )
    for name, tensor in theirs.weights.items():
        assert torch.equal(ours.weights[name], tensor), name
