"""Figures and numbers of lesson 13: the loss of one photograph, step by step.

The outputs of the network are recorded (record.py); priors are matched, boxes encoded, negatives
chosen and losses computed here, by the library.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor
from tutorial.drawing import RED, Canvas, Figure, Live
from tutorial.figures.blood_cells import (
    COLOURS,
    NAMES,
    WBC,
    photograph,
    truth,
)
from tutorial.figures.multibox import LETTERS

from singleshot.boxes.geometry import from_unit, pairwise_iou, to_corners
from singleshot.detectors.common.box_coding import OFFSET_SCALES, encode
from singleshot.detectors.ssd import BACKGROUND
from singleshot.detectors.ssd.loss import (
    PAPER_LOSS,
    mined_negatives,
    multibox_loss,
    odds_against_background,
)
from singleshot.detectors.ssd.matching import SsdOutputs, match_priors
from singleshot.detectors.ssd.priors import Priors

__all__ = ["live_mining", "matched_priors", "mined_priors"]

RECORDED = Path(__file__).parents[1] / "recorded/outputs.npz"
RATIO = int(PAPER_LOSS.negatives_per_positive)
MOST_RATIO = 10  # negatives for each match that the interactive figure offers
PANEL = 560
OFFSETS = ("x", "y", "width", "height")
COLUMNS = ("background", *NAMES)

with np.load(RECORDED) as recorded:
    priors_cxcywh = torch.from_numpy(recorded["priors"])
    level_shapes: list[tuple[int, int, int]] = [tuple(row) for row in recorded["levels"].tolist()]
    size: tuple[int, int] = tuple(recorded["input"].tolist())
    outputs = SsdOutputs(
        torch.from_numpy(recorded["offsets"]).float()[None],
        torch.from_numpy(recorded["logits"]).float()[None],
    )

objects = truth(size)
priors = Priors(priors_cxcywh, (), size)
matched = match_priors([objects], outputs, priors)
positive: Bool[Tensor, " p"] = torch.zeros(len(priors_cxcywh), dtype=torch.bool)
positive[matched.prior] = True
columns = torch.full((len(priors_cxcywh),), BACKGROUND)
columns[matched.prior] = matched.labels + BACKGROUND + 1
boxes: Float[Tensor, "p 4"] = from_unit(to_corners(priors_cxcywh), size)
iou: Float[Tensor, "p n"] = pairwise_iou(boxes, objects.boxes)
scores: Float[Tensor, "p c"] = outputs.logits[0].softmax(dim=1)
class_losses: Float[Tensor, " p"] = F.cross_entropy(outputs.logits[0], columns, reduction="none")
targets: Float[Tensor, "n 4"] = encode(
    matched.boxes_unit, priors_cxcywh[matched.prior], OFFSET_SCALES
)
predicted: Float[Tensor, "n 4"] = outputs.offsets[0, matched.prior]
box_losses: Float[Tensor, "n 4"] = F.smooth_l1_loss(predicted, targets, reduction="none")


def negatives_at(ratio: int) -> Bool[Tensor, " p"]:
    """Mark the hard negatives for this many of them for each match."""
    return mined_negatives(outputs.logits, positive[None], scores="softmax", ratio=float(ratio))[0]


negative = negatives_at(RATIO)
hardest = (
    odds_against_background(outputs.logits)[0].masked_fill(positive, 0).argsort(descending=True)
)

num_objects, num_priors, num_matched = len(objects), f"{len(positive):,}", int(positive.sum())
num_unmatched = f"{len(positive) - num_matched:,}"
num_negatives = int(negative.sum())
background_share = f"{100 * (1 - num_matched / len(positive)):.1f}"
_sums = [
    float(box_losses.sum()),
    float(class_losses[positive].sum()),
    float(class_losses[negative].sum()),
]
localization_sum, positive_sum, negative_sum = (f"{one:.2f}" for one in _sums)
total_sum, total = f"{sum(_sums):.2f}", f"{sum(_sums) / num_matched:.3f}"
_losses = multibox_loss(outputs, matched, priors)
of_library = f"{float(sum(_losses.sums.values())) / num_matched:.3f}"

# The prior that the lesson follows: of the white cell, the one that overlaps it best.
_of_white = (matched.labels == WBC).nonzero()[:, 0]
_white = torch.tensor([6])  # in the annotation
chosen = int(_of_white[iou[matched.prior[_of_white], 6].argmax()])
chosen_prior = int(matched.prior[chosen])


def place(prior: int) -> str:
    """Describe where a prior is: its level, its cell and its number there."""
    for rows, wide, of_cell in level_shapes:
        if prior < rows * wide * of_cell:
            cell = prior // of_cell
            return f"{rows} × {wide}, row {cell // wide + 1}, column {cell % wide + 1}"
        prior -= rows * wide * of_cell
    raise ValueError(f"no level has prior {prior}")


def table(head: str, rows: list[list[str]]) -> str:
    """Write a table as Markdown; `head` holds the columns, separated by |."""
    number = head.count("|") + 1
    lines = [f"| {head} |", "|" + "---|" * number]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def matches_table() -> str:
    """List the matched priors with their objects and the rule that matched them."""
    rows = []
    for prior, label, box in zip(
        matched.prior.tolist(), matched.labels.tolist(), matched.boxes_unit, strict=True
    ):
        overlap = float(pairwise_iou(boxes[[prior]], from_unit(box[None], size)))
        rule = "2: IoU of 0.5 or more" if overlap >= 0.5 else "1: the best for this object"
        rows.append([NAMES[label], place(prior), f"{overlap:.2f}", rule])
    return table("object | prior: grid and cell | IoU | rule", sorted(rows, reverse=True))


def encode_table() -> str:
    """Show prior, object and targets of the chosen prior."""
    x, y, width, height = priors_cxcywh[chosen_prior].tolist()
    x1, y1, x2, y2 = matched.boxes_unit[chosen].tolist()
    object_is = ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)
    rows = []
    for index, name in enumerate(OFFSETS):
        own = (x, y, width, height)[index]
        if index < 2:
            side = (width, height)[index]
            formula = f"({object_is[index]:.3f} − {own:.3f}) / {side:.3f} / 0.1"
        else:
            formula = f"log({object_is[index]:.3f} / {own:.3f}) / 0.2"
        of_it = f"{float(targets[chosen, index]):.2f}"
        rows.append([name, f"{own:.3f}", f"{object_is[index]:.3f}", formula, f"**{of_it}**"])
    return table("| prior | object | formula | target", rows)


def smooth_l1_table() -> str:
    """Compare the outputs of the chosen prior with its targets."""
    rows = [
        [
            name,
            f"{float(predicted[chosen, index]):.2f}",
            f"{float(targets[chosen, index]):.2f}",
            f"{float(predicted[chosen, index] - targets[chosen, index]):.2f}",
            f"{float(box_losses[chosen, index]):.3f}",
        ]
        for index, name in enumerate(OFFSETS)
    ]
    rows.append(["sum", "", "", "", f"**{float(box_losses[chosen].sum()):.3f}**"])
    return table("| output | target | difference | smooth L1", rows)


def softmax_table() -> str:
    """Show logits, scores and the loss of the chosen prior."""
    true = int(columns[chosen_prior])
    rows = []
    for index, name in enumerate(COLUMNS):
        loss = f"**{float(class_losses[chosen_prior]):.3f}**" if index == true else ""
        logit, score = outputs.logits[0, chosen_prior, index], scores[chosen_prior, index]
        rows.append([name, f"{float(logit):.2f}", f"{float(score):.3f}", loss])
    return table("class | logit | score | −log(score)", rows)


def negatives_table() -> str:
    """List the hardest negatives, the last one that counts, and an easy one."""
    places = [0, 1, 2, num_negatives - 1, num_negatives, len(positive) - num_matched - 1]
    rows = []
    for rank in places:
        prior = int(hardest[rank])
        best = int(scores[prior, 1:].argmax())
        counts = "yes" if bool(negative[prior]) else "no"
        rows.append(
            [
                str(rank + 1),
                f"{float(scores[prior, BACKGROUND]):.3f}",
                f"{NAMES[best]} {float(scores[prior, 1 + best]):.3f}",
                f"{float(iou[prior].max()):.2f}",
                f"{float(class_losses[prior]):.3f}",
                counts,
            ]
        )
    return table("rank | score of background | best class | largest IoU | loss | counts?", rows)


def matched_priors() -> Figure:
    """Draw the objects, and beside them the priors that match."""
    canvas = Canvas(2 * 400 + 20, 336)
    canvas.photograph(photograph(), 0, 0, 400)
    canvas.photograph(photograph(), 420, 0, 400)
    scale = 400 / size[1]
    for label, box in zip(objects.labels.tolist(), (objects.boxes * scale).tolist(), strict=True):
        canvas.box(box, COLOURS[label])
    canvas.add('<svg x="420" y="0" width="400" height="300">')
    for prior, label in zip(matched.prior.tolist(), matched.labels.tolist(), strict=True):
        canvas.box((boxes[prior] * scale).tolist(), COLOURS[label])
    canvas.add("</svg>")
    canvas.text(200, 326, f"{num_objects} objects", anchor="middle", more=LETTERS)
    canvas.text(620, 326, f"{num_matched} priors that match", anchor="middle", more=LETTERS)
    return canvas.figure(
        f"The photograph twice: with the {num_objects} annotated boxes, and with the {num_matched} "
        "priors that match them, in the colour of their class. Some fit well, those of the "
        "platelets badly."
    )


def mined_priors() -> Figure:
    """Draw the hard negatives."""
    canvas = Canvas(PANEL, PANEL * size[0] / size[1])
    canvas.photograph(photograph(), 0, 0, PANEL)
    scale = PANEL / size[1]
    for box in (boxes[negative] * scale).tolist():
        canvas.rectangle(box, stroke=RED, more='stroke-width="1.5"')
    return canvas.figure(
        f"The photograph with the {num_negatives} hardest negatives in red: most are over or "
        "beside cells, hardly any on the empty background."
    )


def live_mining() -> Live:
    """Choose the number of negatives for each match: which ones, and what their loss is."""
    canvas = Canvas(400, 400 * size[0] / size[1])
    canvas.photograph(photograph(), 0, 0, 400)
    canvas.add('<g class="negatives"></g>')
    start = canvas.figure(
        f"The hardest negatives over the photograph. For 1, {RATIO} and {MOST_RATIO} negatives for "
        "each match, the classification loss of the negatives is "
        + ", ".join(f"{float(class_losses[negatives_at(ratio)].sum()):.2f}" for ratio in (1, RATIO))
        + f" and {float(class_losses[negatives_at(MOST_RATIO)].sum()):.2f}; that of the "
        f"{num_matched} matches is {positive_sum}."
    )
    shown = hardest[: MOST_RATIO * num_matched]
    scale = 400 / size[1]
    data = {
        "boxes": [[round(side, 1) for side in box] for box in (boxes[shown] * scale).tolist()],
        "losses": [round(loss, 5) for loss in class_losses[shown].tolist()],
        "matches": num_matched,
        "matched": float(positive_sum),
        "localization": float(localization_sum),
        "ratio": RATIO,
        "most": MOST_RATIO,
    }
    return Live(start, CONTROLS, data)


CONTROLS = (
    '<div class="controls"><label>Negatives for each match '
    '<input type="range" name="ratio" min="0"></label></div>'
    '<p aria-live="polite"><span data-value="summary"></span></p>'
    '<table><thead><tr><th scope="col">part of the loss</th><th scope="col">sum</th>'
    '<th scope="col">share</th></tr></thead><tbody data-rows="parts"></tbody></table>'
)
