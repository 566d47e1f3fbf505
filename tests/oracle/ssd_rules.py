"""The published rules of SSD, written out slowly in NumPy, line by line as in the original.

Sources: weiliu89/caffe, branch ssd: `prior_box_layer.cpp`, `bbox_util.cpp` (`JaccardOverlap`,
`MatchBBox`, `MineHardExamples`), `multibox_loss_layer.cpp`, `smooth_L1_loss_layer.cpp`.
"""

import math

import numpy as np


def priors(grid, step, min_size, max_size, aspect_ratios, image):
    """Centre and size as fractions; sizes are ints there."""
    (rows, columns), (image_h, image_w) = grid, image
    min_size, max_size = int(min_size), int(max_size)
    boxes = []
    for h in range(rows):
        for w in range(columns):
            centre_x, centre_y = (w + 0.5) * step, (h + 0.5) * step
            sizes = [(min_size, min_size)]
            between = math.sqrt(min_size * max_size)
            sizes.append((between, between))
            for ratio in aspect_ratios:
                sizes.append((min_size * math.sqrt(ratio), min_size / math.sqrt(ratio)))
                flipped = 1.0 / ratio
                sizes.append((min_size * math.sqrt(flipped), min_size / math.sqrt(flipped)))
            boxes.extend(
                (centre_x / image_w, centre_y / image_h, bw / image_w, bh / image_h)
                for bw, bh in sizes
            )
    return np.array(boxes)


def jaccard(a, b):
    """Overlap of two boxes in corners."""
    if b[0] > a[2] or b[2] < a[0] or b[1] > a[3] or b[3] < a[1]:
        return 0.0
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    area_a = (a[2] - a[0]) * (a[3] - a[1])
    area_b = (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (area_a + area_b - width * height)


def match(overlaps, threshold):
    """`MatchBBox` with PER_PREDICTION; overlaps[prior][truth]."""
    num_priors, num_truths = overlaps.shape
    matches = [-1] * num_priors
    pool = list(range(num_truths))
    while pool:
        best_prior, best_truth, best = -1, -1, -1.0
        for i in range(num_priors):
            if matches[i] != -1:
                continue
            for j in pool:
                if overlaps[i][j] > 1e-6 and overlaps[i][j] > best:
                    best_prior, best_truth, best = i, j, overlaps[i][j]
        if best_prior == -1:
            break
        matches[best_prior] = best_truth
        pool.remove(best_truth)
    for i in range(num_priors):
        if matches[i] != -1:
            continue
        best_truth, best = -1, -1.0
        for j in range(num_truths):
            overlap = overlaps[i][j]
            if overlap > 1e-6 and overlap >= threshold and overlap > best:
                best_truth, best = j, overlap
        matches[i] = best_truth
    return matches


def hard_negatives(losses, matches, ratio):
    """`MineHardExamples` with MAX_NEGATIVE, for one picture; indices of the negatives."""
    eligible = [(loss, i) for i, loss in enumerate(losses) if matches[i] == -1]
    num_positive = sum(m > -1 for m in matches)
    number = min(int(num_positive * ratio), len(eligible))
    eligible.sort(key=lambda pair: -pair[0])
    return sorted(i for _, i in eligible[:number])


def smooth_l1(x):
    return 0.5 * x * x if abs(x) < 1 else abs(x) - 0.5


def multibox_loss(offsets, logits, target_offsets, target_columns, ratio):
    """Both terms over the whole batch, each divided by the number of matches in the batch."""
    localization = classification = 0.0
    num_matches = 0
    for b in range(len(offsets)):
        matches = [0 if column > 0 else -1 for column in target_columns[b]]
        cross_entropy = []
        for p, column in enumerate(target_columns[b]):
            row = logits[b][p] - max(logits[b][p])
            cross_entropy.append(math.log(sum(math.exp(v) for v in row)) - row[column])
        chosen = set(hard_negatives(cross_entropy, matches, ratio))
        for p, column in enumerate(target_columns[b]):
            if column > 0:
                num_matches += 1
                localization += sum(
                    smooth_l1(offsets[b][p][k] - target_offsets[b][p][k]) for k in range(4)
                )
            if column > 0 or p in chosen:
                classification += cross_entropy[p]
    return localization / max(num_matches, 1), classification / max(num_matches, 1)
