"""The published rules of SSD, written out slowly in NumPy, line by line as in the original.

Sources: weiliu89/caffe, branch ssd: `prior_box_layer.cpp`, `bbox_util.cpp` (`JaccardOverlap`,
`EncodeBBox`, `DecodeBBox`, `MatchBBox`, `MineHardExamples`, `GetMaxScoreIndex`, `ApplyNMSFast`),
`multibox_loss_layer.cpp`, `smooth_L1_loss_layer.cpp`, `detection_output_layer.cpp`.
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


def encode(box, prior, variances):
    """`EncodeBBox` with CENTER_SIZE; both boxes in corners."""
    prior_w, prior_h = prior[2] - prior[0], prior[3] - prior[1]
    prior_x, prior_y = (prior[0] + prior[2]) / 2, (prior[1] + prior[3]) / 2
    width, height = box[2] - box[0], box[3] - box[1]
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return [
        (x - prior_x) / prior_w / variances[0],
        (y - prior_y) / prior_h / variances[1],
        math.log(width / prior_w) / variances[2],
        math.log(height / prior_h) / variances[3],
    ]


def decode(offsets, prior, variances):
    """`DecodeBBox` with CENTER_SIZE; the prior in corners."""
    prior_w, prior_h = prior[2] - prior[0], prior[3] - prior[1]
    prior_x, prior_y = (prior[0] + prior[2]) / 2, (prior[1] + prior[3]) / 2
    x = variances[0] * offsets[0] * prior_w + prior_x
    y = variances[1] * offsets[1] * prior_h + prior_y
    width = math.exp(variances[2] * offsets[2]) * prior_w
    height = math.exp(variances[3] * offsets[3]) * prior_h
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


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
    """`MineHardExamples` with MAX_NEGATIVE, for one image; indices of the negatives."""
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


def max_score_index(scores, threshold, top_k):
    """`GetMaxScoreIndex`: (score, index), best first, equal scores in their order."""
    pairs = [(score, i) for i, score in enumerate(scores) if score > np.float32(threshold)]
    pairs.sort(key=lambda pair: -pair[0])
    return pairs[:top_k]


def nms_fast(boxes, scores, score_threshold, nms_threshold, top_k):
    """`ApplyNMSFast` without its adaptive threshold; indices of what stays."""
    indices = []
    for _, index in max_score_index(scores, score_threshold, top_k):
        keep = True
        for kept in indices:
            if not keep:
                break
            keep = jaccard(boxes[index], boxes[kept]) <= np.float32(nms_threshold)
        if keep:
            indices.append(index)
    return indices


def detection_output(boxes, scores, score_threshold, nms_threshold, top_k, keep_top_k):
    """`DetectionOutputLayer::Forward_cpu` for one image; scores[prior][class].

    (label, index of the prior), best first: `std::sort` leaves equal scores in any order, here they
    stay in that of the list that is sorted.
    """
    found = []
    for label in range(scores.shape[1]):
        kept = nms_fast(boxes, scores[:, label], score_threshold, nms_threshold, top_k)
        found.extend((scores[index, label], label, index) for index in kept)
    found.sort(key=lambda triple: -triple[0])
    return [(label, index) for _, label, index in found[:keep_top_k]]
