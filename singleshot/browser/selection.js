// From the outputs of a model (contract `decoded`) to detections: score threshold, the best of each
// label, NMS within each, the best of all; as `singleshot.runtimes.standalone` does it in NumPy.

const fround = Math.fround;

/**
 * Select the detections of one image.
 *
 * `boxes` (P · 4: corners as fractions of the image) and `scores` (P · width) are Float32Arrays of
 * the model, `sides` [width, height] of the image in pixels. Returns a list, best first, of
 * {box: [x1, y1, x2, y2] in pixels, label (index), score, prior}.
 */
export function select(boxes, scores, manifest, sides) {
  const rules = manifest.postprocessing;
  const placed = rules.clip_before_nms ? boxes.map(clip) : boxes;
  const found = bestOfEachLabel(candidates(scores, manifest), placed, rules.top_k);
  let kept = keepBest(found, manifest.class_names, rules, sides);
  if (rules.nms === "weighted") {
    kept = averageBoxes(kept, found, rules.iou_threshold);
  }
  return kept.map(({ box, label, score, prior }) => ({
    box: Array.from(box, (corner, index) => {
      const side = sides[index % 2];
      return Math.min(Math.max(fround(clip(corner) * fround(side)), 0), side);
    }),
    label,
    score,
    prior,
  }));
}

/** List the scores above the threshold, by label, then by prior. */
function candidates(scores, manifest) {
  const output = manifest.outputs.find((one) => one.kind === "scores");
  const width = output.shape[output.shape.length - 1];
  const threshold = fround(manifest.postprocessing.score_threshold);
  const byLabel = manifest.class_names.map(() => []);
  for (let place = 0; place < scores.length; place += 1) {
    const score = scores[place];
    if (score > threshold && Number.isFinite(score)) {
      const label = (place % width) - output.first_column;
      if (label >= 0 && label < byLabel.length) {
        byLabel[label].push({ label, score, prior: Math.floor(place / width) });
      }
    }
  }
  return byLabel;
}

/** Keep the best of each label with a finite box, in the order of labels, best first. */
function bestOfEachLabel(byLabel, boxes, number) {
  const finite = ({ prior }) =>
    Number.isFinite(boxes[4 * prior]) &&
    Number.isFinite(boxes[4 * prior + 1]) &&
    Number.isFinite(boxes[4 * prior + 2]) &&
    Number.isFinite(boxes[4 * prior + 3]);
  return byLabel.flatMap((found) =>
    found
      .filter(finite)
      .sort(byScore)
      .slice(0, number)
      .map((one) => ({ ...one, box: boxes.subarray(4 * one.prior, 4 * one.prior + 4) })),
  );
}

// Sorting is stable: of equal scores the earlier label, then the earlier prior stays first.
function byScore(one, other) {
  return other.score - one.score;
}

/** Apply NMS of the recipe's kind, and keep the best of all labels. */
function keepBest(found, labels, rules, sides) {
  if (rules.nms === "soft") {
    const threshold = fround(rules.score_threshold);
    return decayScores(found, rules.soft_sigma)
      .filter((one) => one.score > threshold)
      .sort(byScore)
      .slice(0, rules.keep);
  }
  const distance = rules.nms === "distance";
  const place = distance ? (box) => box.map((corner, index) => corner * sides[index % 2]) : (box) => box;
  const threshold = fround(rules.iou_threshold);
  const kept = [];
  const keptOfLabel = labels.map(() => []);
  for (const one of [...found].sort(byScore)) {
    if (kept.length === rules.keep) {
      break;
    }
    const better = keptOfLabel[one.label];
    const box = place(one.box);
    const close = (other) => {
      const overlap = iou(other, box);
      return (distance ? fround(overlap - relativeDistance(other, box)) : overlap) > threshold;
    };
    if (!better.some(close)) {
      kept.push(one);
      better.push(box);
    }
  }
  return kept;
}

/** Average each box that is kept with those it removes, weighted by score. */
function averageBoxes(kept, found, iouThreshold) {
  const threshold = fround(iouThreshold);
  const sums = new Map(kept.map((one) => [one, [0, 0, 0, 0, 0]]));
  for (const one of found) {
    // A box belongs to the best of those that are kept and close.
    const owner = kept.find(
      (other) => other === one || (other.label === one.label && iou(other.box, one.box) > threshold),
    );
    if (owner !== undefined) {
      const sum = sums.get(owner);
      [...one.box, 1].forEach((term, index) => {
        sum[index] += term * one.score;
      });
    }
  }
  return kept.map((one) => {
    const sum = sums.get(one);
    return { ...one, box: Float32Array.from(sum.slice(0, 4), (corner) => corner / sum[4]) };
  });
}

/** Lower the scores of each label's boxes by their overlap with every better one. */
function decayScores(found, sigma) {
  const decayed = [];
  let left = [...found];
  while (left.length > 0) {
    const { label } = left[0];
    let same = left.filter((one) => one.label === label).map((one) => ({ ...one }));
    left = left.filter((one) => one.label !== label);
    decayed.push(...same); // in the order before decay, which decides between equal scores
    while (same.length > 0) {
      const best = same.reduce((one, other) => (other.score > one.score ? other : one));
      same = same.filter((one) => one !== best);
      for (const one of same) {
        const overlap = iou(best.box, one.box) || 0; // of boxes without area it is NaN
        const weight = fround(Math.exp(fround(-fround(overlap * overlap) / fround(sigma))));
        one.score = fround(one.score * weight);
      }
    }
  }
  return decayed;
}

/** Compute the IoU of two boxes in single precision, as NumPy does; NaN without area. */
function iou(one, other) {
  const width = Math.max(fround(Math.min(one[2], other[2]) - Math.max(one[0], other[0])), 0);
  const height = Math.max(fround(Math.min(one[3], other[3]) - Math.max(one[1], other[1])), 0);
  const both = fround(width * height);
  return fround(both / fround(fround(area(one) + area(other)) - both));
}

function area(box) {
  return fround(fround(box[2] - box[0]) * fround(box[3] - box[1]));
}

/** Compute the squared distance of centres, in squared diagonals of the enclosing box. */
function relativeDistance(one, other) {
  const width = fround(Math.max(one[2], other[2]) - Math.min(one[0], other[0]));
  const height = fround(Math.max(one[3], other[3]) - Math.min(one[1], other[1]));
  const x = fround(middle(one[0], one[2]) - middle(other[0], other[2]));
  const y = fround(middle(one[1], one[3]) - middle(other[1], other[3]));
  const apart = fround(fround(x * x) + fround(y * y));
  return fround(apart / Math.max(fround(fround(width * width) + fround(height * height)), 1e-12));
}

function middle(low, high) {
  return fround(fround(low + high) / 2);
}

function clip(value) {
  return Math.min(Math.max(value, 0), 1);
}
