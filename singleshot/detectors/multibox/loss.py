"""What MultiBox minimises (Erhan et al. 2014, "Scalable Object Detection …", §3.2 and §3.3).

F = α ½ Σ x_ij ‖l_i - g_j‖² - Σ x_ij log c_i - Σ (1 - Σ_j x_ij) log(1 - c_i), where x_ij is 1 if
prior i is matched to object j, else 0; l_i is the box said and c_i its confidence.
"""

import importlib
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from singleshot.boxes.geometry import to_unit
from singleshot.detectors.detector import Losses
from singleshot.detectors.rcnn.region_sampling import Objects
from singleshot.errors import ModelError

__all__ = ["assign", "match_priors", "multibox_losses"]


def multibox_losses(
    boxes_unit: Float[Tensor, "b priors 4"],
    logits: Float[Tensor, "b priors"],
    priors_unit: Float[Tensor, "priors 4"],
    objects: Sequence[Objects],
    size: tuple[int, int],
    *,
    localization_weight: float,
) -> Losses:
    """F on average over the images of (height, width) `size`; `localization_weight` is α."""
    localization, classification, num_objects = [], [], 0
    for said, logit, shown in zip(boxes_unit, logits, objects, strict=True):
        truths_unit = to_unit(shown.boxes, size)
        priors, truths = match_priors(priors_unit, truths_unit)
        apart = (said[priors] - truths_unit[truths]).square().sum() / 2
        is_object = torch.zeros_like(logit).index_fill(0, priors, 1.0)
        localization.append(localization_weight * apart)
        classification.append(F.binary_cross_entropy_with_logits(logit, is_object, reduction="sum"))
        num_objects += len(priors)
    sums = {
        "localization": torch.stack(localization).sum(),
        "classification": torch.stack(classification).sum(),
    }
    return Losses.of(sums, weight=len(objects), num_matches=num_objects)


def match_priors(
    priors: Float[Tensor, "priors 4"], truths: Float[Tensor, "truths 4"]
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    """One prior for each object, so that the squared distances of corners add up to the least.

    This is "prior matching" (§3.3): the priors themselves are compared with the objects, not what
    the network says at them. The objective makes it an assignment problem; giving the closest pair
    away first, as SSD does, may come out dearer.
    """
    cost = (priors[:, None] - truths).square().sum(dim=2) / 2
    return assign(cost)


def assign(cost: Float[Tensor, "priors truths"]) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    """Pairs of the least total cost, each row and each column at most once, by SciPy.

    As many as there are truths, or priors, if those are fewer. Raises ModelError without SciPy.
    """
    try:
        optimize = importlib.import_module("scipy.optimize")
    except ImportError as error:
        raise ModelError(
            "matching objects to priors needs SciPy; install it with: "
            "pip install 'singleshot[baselines]'"
        ) from error
    pairs = optimize.linear_sum_assignment(cost.cpu().numpy())
    priors, truths = (torch.from_numpy(places).to(cost.device) for places in pairs)
    return priors, truths
