"""What a student learns from its teacher, written out prior by prior, with its gradient.

Sources: Chen et al. 2017, §3.2 (soft cross-entropy, here less the teacher's own entropy and with
one weight for all classes); Mehta and Ozturk 2018 (boxes scaled by objectness); Yang et al. 2023,
"Bridging Cross-task Protocol Inconsistency" (one binary choice for each class of a sigmoid).
"""

import math

import numpy as np
from oracle.ssd_rules import encode, hard_negatives


def softmax(row):
    powers = [math.exp(value - max(row)) for value in row]
    return [power / sum(powers) for power in powers]


def sigmoid(row):
    return [1 / (1 + math.exp(-value)) for value in row]


def term(p, q):
    return 0.0 if p == 0 else p * math.log(p / q)


def divergence(scores, logits, kind):
    if kind == "softmax":
        return sum(term(p, q) for p, q in zip(scores, softmax(logits), strict=True))
    return sum(
        term(p, q) + term(1 - p, 1 - q) for p, q in zip(scores, sigmoid(logits), strict=True)
    )


def distillation(
    offsets, logits, label_columns, scores, boxes, priors, columns, ratio, kind, scales
):
    """The loss, and its gradients by offsets and logits.

    `label_columns` is the column of the label at each prior, or -1; `columns` are those that
    the teacher has; `boxes` and `priors` are in corners.
    """
    variances = [scales[0], scales[0], scales[1], scales[1]]
    by_offsets, by_logits = np.zeros_like(offsets), np.zeros_like(logits)
    number = max(int((label_columns >= 0).sum()), 1)
    total = 0.0
    for image in range(len(logits)):
        known = [[row[column] for column in columns] for row in logits[image]]
        differing = [divergence(p, row, kind) for p, row in zip(scores[image], known, strict=True)]
        matches = np.where(label_columns[image] >= 0, 0, -1)
        distilled = set(hard_negatives(np.array(differing), matches, ratio))
        distilled |= {i for i, column in enumerate(label_columns[image]) if column in columns}
        for i in distilled:
            p = scores[image][i]
            certain = 1 - p[0] if kind == "softmax" else max(p)
            total += differing[i] / number
            for place, column in enumerate(columns):
                q = (softmax if kind == "softmax" else sigmoid)(known[i])
                by_logits[image, i, column] = (q[place] - p[place]) / number
            target = encode(boxes[image][i], priors[i], variances)
            for side in range(4):
                away = offsets[image, i, side] - target[side]
                smooth = away**2 / 2 if abs(away) < 1 else abs(away) - 0.5
                total += certain * smooth / number
                by_offsets[image, i, side] = certain * min(max(away, -1), 1) / number
    return total, by_offsets, by_logits
