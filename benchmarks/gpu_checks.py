"""Is a device as correct as the CPU? Losses, gradients, matching, NMS, detections, precision.

Each check computes the same on the CPU and where a placement puts it, and returns how far apart the
two are. TensorFloat-32, which keeps ten bits, is off here: a tolerance that let it pass would let
errors pass too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from singleshot.boxes.nms import diou_nms, nms, soft_nms, weighted_nms
from singleshot.detectors.ssd.matching import MatchingOptions, SsdOutputs, match_priors
from singleshot.detectors.ssd.network import Ssd
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.structures import Batch, Detections, Truth
from singleshot.training.precision import Precision, autocast

__all__ = [
    "CASES",
    "CPU",
    "Case",
    "Check",
    "Finding",
    "Placement",
    "checks_of_numbers",
    "exact_float32",
    "run_check",
]

CPU = torch.device("cpu")
CLASSES = ("circle", "square", "triangle")
IMAGES, OBJECTS = 4, 6

# Relative differences. Of sums in another order in float32 a few of the last seven digits differ;
# batch norm over four images divides by small deviations, which makes the gradients' larger.
LOSS, GRADIENT = 1e-4, 0.02
BFLOAT16_LOSS = 0.03  # eight bits
CHANGED = 0.005  # share of matches, kept boxes or detections that ties may change
SAME_SIDE, SAME_SCORE = 0.5, 0.005  # pixels and probability between the same detection
GREY_LEVEL = 1.0  # of 255: resizing rounds to whole ones

M = TypeVar("M", bound=nn.Module)
T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """A number of a check beside its limit; NaN is never within it."""

    value: float
    limit: float
    at_least: bool = False
    note: str = ""

    @property
    def passed(self) -> bool:
        """True within the limit."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass(frozen=True)
class Placement:
    """Where a check computes; tests put a faulty one in its place."""

    device: torch.device

    def tensor(self, tensor: Tensor) -> Tensor:
        """Copy a tensor to the device."""
        return tensor.to(self.device)

    def model(self, model: M) -> M:
        """Copy a model to the device."""
        # The copy of a traced network is in training mode, whatever the network is in.
        return deepcopy(model).train(model.training).to(self.device)


Check = Callable[[Placement], Finding]


@dataclass(frozen=True)
class Case:
    """A recipe, made small enough for a check."""

    recipe: str
    overrides: Mapping[str, object] = field(default_factory=dict)

    def detector(self) -> Ssd:
        """Build the detector with random weights, and logits that differ from prior to prior.

        With the small logits of a fresh network nearly all negatives would be equally hard, and
        rounding would decide which of them the loss mines.
        """
        torch.manual_seed(0)
        settings = load_recipe(self.recipe, {"model.backbone.weights": "none", **self.overrides})
        detector = build_detector(settings.model, CLASSES, pretrained=False)
        assert isinstance(detector, Ssd)
        for _, layer in detector.heads.class_layers():
            nn.init.normal_(layer.weight, std=0.1)
        return detector

    @torch.no_grad()
    def evaluating(self) -> Ssd:
        """Build the detector in evaluation mode, batch norm with the statistics of a batch.

        With those of a fresh network, signals fade from layer to layer and all priors are alike.
        """
        detector = self.detector()
        for module in detector.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        detector.train()(random_batch(self).images)
        return detector.eval()


CASES = (
    Case("ssdlite320-mobilenet-v3", {"model.input": [192, 192]}),
    Case("ssd300-vgg16"),  # its last levels need all 300 pixels
)


def checks_of_numbers(cases: Sequence[Case] = CASES) -> dict[str, Check]:
    """Name the checks, those of a detector for each case."""
    checks: dict[str, Check] = {}
    for case in cases:
        checks |= {
            f"{case.recipe}: loss": partial(check_losses, case),
            f"{case.recipe}: gradients": partial(check_gradients, case),
            f"{case.recipe}: loss, channels last": partial(check_channels_last, case),
            f"{case.recipe}: loss, bfloat16": partial(check_bfloat16, case),
            f"{case.recipe}: detections": partial(check_detections, case),
        }
    for rule in ("bipartite", "atss", "simota", "task-aligned"):
        options = MatchingOptions(rule=rule)
        checks[f"matching, {rule}"] = partial(check_matching, cases[0], options)
    for name in ("nms", "diou_nms", "weighted_nms"):
        checks[f"kept boxes, {name}"] = partial(check_kept_boxes, name)
    return checks | {
        "scores, soft_nms": check_soft_nms,
        "resized image": partial(check_resizing, cases[0]),
    }


def run_check(check: Check, placement: Placement) -> Finding:
    """Run a check without TensorFloat-32; an error is a check that failed."""
    try:
        with exact_float32():
            return check(placement)
    except Exception as error:
        return Finding(math.nan, math.nan, note=f"{type(error).__name__}: {error}".split("\n")[0])


@contextmanager
def exact_float32() -> Iterator[None]:
    """Compute convolutions and matrix products in float32 whole, not as TensorFloat-32."""
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.allow_tf32, products.allow_tf32
    convolutions.allow_tf32 = products.allow_tf32 = False
    try:
        yield
    finally:
        convolutions.allow_tf32, products.allow_tf32 = before


def check_losses(case: Case, placement: Placement) -> Finding:
    """Compare both terms of the loss in training mode."""
    model, batch = case.detector().train(), random_batch(case)
    expected = losses_of(model, batch)
    return Finding(relative(losses_of(placement.model(model), batch), expected), LOSS)


def check_gradients(case: Case, placement: Placement) -> Finding:
    """Compare the gradients of all parameters as one vector."""
    model, batch = case.detector().train(), random_batch(case)
    expected = gradient_of(model, batch)
    return Finding(relative(gradient_of(placement.model(model), batch), expected), GRADIENT)


def check_channels_last(case: Case, placement: Placement) -> Finding:
    """Compare the loss of a network whose weights are stored channels last."""
    model, batch = case.detector().train(), random_batch(case)
    expected = losses_of(model, batch)
    placed = placement.model(model).to(memory_format=torch.channels_last)
    return Finding(relative(losses_of(placed, batch), expected), LOSS)


def check_bfloat16(case: Case, placement: Placement) -> Finding:
    """Compare the loss in mixed precision with that in float32; all gradients must be finite."""
    model, batch = case.detector().train(), random_batch(case)
    expected = losses_of(model, batch)
    placed = placement.model(model)
    found = losses_of(placed, batch, "bfloat16")
    if not gradient_of(placed, batch, "bfloat16").isfinite().all():
        return Finding(math.nan, BFLOAT16_LOSS, note="a gradient is not finite")
    return Finding(relative(found, expected), BFLOAT16_LOSS)


def check_detections(case: Case, placement: Placement) -> Finding:
    """Find the share of detections that only one side has."""
    model, images = case.evaluating(), list(random_batch(case).images)
    placed = placement.model(model)
    expected, found = model.detect(images), placed.detect(images)
    pairs = [(one, other.to(CPU)) for one, other in zip(expected, found, strict=True)]
    alone = sum(num_alone(one, other) + num_alone(other, one) for one, other in pairs)
    total = sum(len(one) + len(other) for one, other in pairs)
    if not total:
        return Finding(math.nan, CHANGED, note="nothing was detected")
    return Finding(alone / total, CHANGED, note=f"of {total // 2} detections")


def check_matching(case: Case, options: MatchingOptions, placement: Placement) -> Finding:
    """Find the share of priors with another object, by rules that need outputs and those not."""
    model, batch = case.evaluating(), random_batch(case)
    with torch.no_grad():
        outputs = SsdOutputs(*(output.float() for output in model(batch.images)))
    priors = model.priors_on_device
    elsewhere = priors._replace(boxes_cxcywh_unit=placement.tensor(priors.boxes_cxcywh_unit))
    expected = match_priors(batch.truths, outputs, priors, options)
    moved = SsdOutputs(*map(placement.tensor, outputs))
    found = match_priors(batch.truths, moved, elsewhere, options)

    def keys(image: Tensor, prior: Tensor, labels: Tensor) -> set[tuple[int, ...]]:
        return set(zip(*(t.tolist() for t in (image, prior, labels)), strict=True))

    return changed(keys(*expected[:3]), keys(*found[:3]))


def check_kept_boxes(name: str, placement: Placement) -> Finding:
    """Find the share of boxes that only one side keeps."""
    functions: dict[str, Callable[..., Any]] = {
        "nms": nms,
        "diou_nms": diou_nms,
        "weighted_nms": weighted_nms,
    }
    boxes, scores, labels = random_detections()

    def kept(boxes: Tensor, scores: Tensor, labels: Tensor) -> set[int]:
        result = functions[name](boxes, scores, labels, 0.45)
        return set((result[0] if isinstance(result, tuple) else result).tolist())

    moved = (placement.tensor(boxes), placement.tensor(scores), labels.to(placement.device))
    return changed(kept(boxes, scores, labels), kept(*moved))


def check_soft_nms(placement: Placement) -> Finding:
    """Find the largest difference of a lowered score."""
    boxes, scores, labels = random_detections()
    expected = soft_nms(boxes, scores, labels, 0.5)
    found = soft_nms(
        placement.tensor(boxes), placement.tensor(scores), labels.to(placement.device), 0.5
    )
    return Finding(float((found.cpu() - expected).abs().max()), 1e-4)


def check_resizing(case: Case, placement: Placement) -> Finding:
    """Find the largest difference of a pixel after resizing, in grey levels."""
    model = case.detector().eval()
    random = torch.Generator().manual_seed(0)
    image = torch.randint(256, (3, 375, 500), generator=random, dtype=torch.uint8)
    expected = model.resize_images([image])
    found = placement.model(model).resize_images([placement.tensor(image)])
    return Finding(float((found.cpu() - expected).abs().max()), GREY_LEVEL)


def random_batch(case: Case) -> Batch:
    """Draw images of noise, smooth enough to have edges, with boxes of many sizes."""
    height, width = load_recipe(case.recipe, case.overrides).model.input
    random = torch.Generator().manual_seed(1)
    coarse = 255 * torch.rand(IMAGES, 3, 12, 12, generator=random)
    pixels = nn.functional.interpolate(coarse, (height, width), mode="bilinear").byte()
    truths = tuple(random_truth((height, width), random) for _ in range(IMAGES))
    return Batch(pixels, truths, tuple(f"noise {number}" for number in range(IMAGES)))


def random_truth(size: tuple[int, int], random: torch.Generator) -> Truth:
    limits = torch.tensor(size[::-1])
    sides = limits * (0.1 + 0.6 * torch.rand(OBJECTS, 2, generator=random))
    corners = torch.rand(OBJECTS, 2, generator=random) * (limits - sides)
    labels = torch.randint(len(CLASSES), (OBJECTS,), generator=random)
    return Truth.of(torch.cat([corners, corners + sides], dim=1), labels)


def random_detections() -> tuple[Tensor, Tensor, Tensor]:
    """Draw 600 boxes that overlap much, with scores and labels."""
    random = torch.Generator().manual_seed(2)
    corners = 200 * torch.rand(600, 2, generator=random)
    boxes = torch.cat([corners, corners + 20 + 60 * torch.rand(600, 2, generator=random)], dim=1)
    labels = torch.randint(len(CLASSES), (600,), generator=random)
    return boxes, torch.rand(600, generator=random), labels


def losses_of(model: Ssd, batch: Batch, precision: Precision = "float32") -> Tensor:
    """Compute the terms as a training step does: matched on the host, then moved."""
    device = model.pixel_mean.device
    prepared = model.prepare(batch.truths)
    with autocast(device, precision):
        losses = model.losses(batch.to(device), None if prepared is None else prepared.to(device))
    return torch.stack([*losses.terms.values()]).detach().cpu()


def gradient_of(model: Ssd, batch: Batch, precision: Precision = "float32") -> Tensor:
    """Compute the gradient of the sum of the terms, of all parameters after each other."""
    device = model.pixel_mean.device
    model.zero_grad(set_to_none=True)
    with autocast(device, precision):
        losses = model.losses(batch.to(device))
    losses.total.backward()  # type: ignore[no-untyped-call]
    return torch.cat([p.grad.flatten().cpu() for p in model.parameters() if p.grad is not None])


def relative(found: Tensor, expected: Tensor) -> float:
    """Compute the length of the difference of two vectors, in lengths of the expected one."""
    return float((found - expected).norm() / expected.norm())


def changed(expected: set[T], found: set[T]) -> Finding:
    """Compare two sets by the share of what only one of them has."""
    total = len(expected) + len(found)
    return Finding(len(expected ^ found) / total, CHANGED, note=f"of {len(expected)}")


def num_alone(detections: Detections, others: Detections) -> int:
    """Count the detections without one of the same label, place and score among the others."""
    if not len(others):
        return len(detections)
    apart = (detections.boxes[:, None] - others.boxes).abs().amax(dim=2)
    same = (
        (apart <= SAME_SIDE)
        & (detections.labels[:, None] == others.labels)
        & ((detections.scores[:, None] - others.scores).abs() <= SAME_SCORE)
    )
    return int((~same.any(dim=1)).sum())
