"""The published matching rules, written out slowly for one image, object by object.

Sources: Zhang et al. 2020 (ATSS), algorithm 1; Feng et al. 2021 (TOOD), §3.2 and §3.3; Ge et al.
2021 (YOLOX), §2.1, with `get_assignments` and `dynamic_k_matching` of its yolo_head.py.
"""

import math

import numpy as np

UNMATCHED = -1


def iou(a, b):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union if union > 0 else 0.0


def corners(prior):
    x, y, width, height = prior
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def inside(box, centre):
    return box[0] < centre[0] < box[2] and box[1] < centre[1] < box[3]


def middle(box):
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def atss(boxes, priors, level_sizes, numbers):
    """`numbers` of candidates at each level; the truth of each prior."""
    owner = [UNMATCHED] * len(priors)
    best = [0.0] * len(priors)
    for g, box in enumerate(boxes):
        candidates = []
        first = 0
        for size, number in zip(level_sizes, numbers, strict=True):
            level = range(first, first + size)
            level = sorted(level, key=lambda p: math.dist(priors[p][:2], middle(box)))
            candidates += level[:number]
            first += size
        overlaps = [iou(box, corners(priors[p])) for p in candidates]
        threshold = np.mean(overlaps) + np.std(overlaps, ddof=1)
        for p, overlap in zip(candidates, overlaps, strict=True):
            if overlap >= threshold and inside(box, priors[p][:2]) and overlap > best[p]:
                owner[p], best[p] = g, overlap
    return owner


def task_aligned(boxes, labels, predicted, scores, centres, number):
    """The truth of each prior, and its normalised alignment."""
    num_priors = len(centres)
    metrics, overlaps = np.zeros((2, len(boxes), num_priors))
    matched = [[] for _ in range(num_priors)]
    for g, (box, label) in enumerate(zip(boxes, labels, strict=True)):
        for p in range(num_priors):
            overlaps[g, p] = iou(box, predicted[p])
            metrics[g, p] = scores[p][label] * overlaps[g, p] ** 6
        for p in np.argsort(-metrics[g])[:number]:
            if metrics[g, p] > 0 and inside(box, centres[p]):
                matched[p].append(g)
    owner = [max(c, key=lambda g: overlaps[g, p]) if c else -1 for p, c in enumerate(matched)]
    alignment = np.zeros(num_priors)
    for g in range(len(boxes)):
        mine = [p for p in range(num_priors) if owner[p] == g]
        for p in mine:
            share = metrics[g, p] / max(metrics[g, q] for q in mine)
            alignment[p] = share * max(overlaps[g, q] for q in mine)
    return owner, alignment


def simota(boxes, labels, predicted, scores, centres, strides, number):
    """The truth of each prior."""
    num_priors = len(centres)
    central = np.zeros((len(boxes), num_priors), dtype=bool)
    allowed = np.zeros(num_priors, dtype=bool)
    for g, box in enumerate(boxes):
        for p, (x, y) in enumerate(centres):
            is_in = inside(box, (x, y))
            reach_x, reach_y = 2.5 * strides[p][0], 2.5 * strides[p][1]
            centre_x, centre_y = middle(box)
            near = abs(x - centre_x) < reach_x and abs(y - centre_y) < reach_y
            allowed[p] |= is_in or near
            central[g, p] = is_in and near
    grid = [p for p in range(num_priors) if allowed[p]]
    if not grid or not len(boxes):
        return [UNMATCHED] * num_priors
    overlaps = np.array([[iou(box, predicted[p]) for p in grid] for box in boxes])
    cost = np.zeros_like(overlaps)
    for g, label in enumerate(labels):
        for column, p in enumerate(grid):
            for c, score in enumerate(scores[p]):
                cost[g, column] -= math.log(score if c == label else 1 - score)
            cost[g, column] -= 3 * math.log(overlaps[g, column] + 1e-8)
            cost[g, column] += 0 if central[g, p] else 100000
    matching = np.zeros_like(cost, dtype=int)
    for g in range(len(boxes)):
        k = max(1, int(np.sort(overlaps[g])[::-1][:number].sum()))
        matching[g, np.argsort(cost[g])[:k]] = 1
    owner = [UNMATCHED] * num_priors
    for column, p in enumerate(grid):
        if matching[:, column].sum() > 1:
            owner[p] = int(cost[:, column].argmin())
        elif matching[:, column].sum() == 1:
            owner[p] = int(matching[:, column].argmax())
    return owner
