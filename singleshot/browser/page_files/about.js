// What a detector is: its classes, operating points, levels and priors.

const DEFAULT_SCORE_THRESHOLD = 0.3; // as singleshot.metrics.operating_points has it

// The server writes snake_case, JavaScript camelCase: both are read.
function readAbout(document_) {
  const take = (camel, snake) => document_[camel] ?? document_[snake];
  const labels = document_.labels ?? [];
  const levels = (document_.levels ?? []).map(readLevel);
  for (const [index, level] of levels.entries()) {
    level.firstPrior ??= index ? levels[index - 1].firstPrior + levels[index - 1].numPriors : 0;
  }
  const about = {
    name: document_.name ?? "detector",
    labels,
    labelIndex: new Map(labels.map((name, index) => [name, index])),
    input: document_.input ?? null,
    operatingPoints: take("operatingPoints", "operating_points") ?? {},
    levels,
    priors: readPriors(document_),
  };
  about.hasPriors = levels.length > 0 && (about.priors !== null || levels.every((one) => one.shapes));
  return about;
}

function readLevel(level) {
  const pair = (value) => (Array.isArray(value) ? value : [value, value]);
  const grid = pair(level.grid);
  const shapes = level.shapes ?? null;
  return {
    grid,
    stride: level.stride === undefined ? null : pair(level.stride),
    firstCentre: level.firstCentre ?? level.first_centre ?? null,
    shapes,
    firstPrior: level.firstPrior ?? level.first_prior,
    numPriors: level.numPriors ?? level.num_priors ?? (shapes ? shapes.length * grid[0] * grid[1] : 0),
  };
}

// The table of all priors: numbers, or the base64 of little-endian 32-bit floats.
function readPriors({ priors, priors_float32_base64: encoded }) {
  if (encoded) {
    const bytes = Uint8Array.from(atob(encoded), (one) => one.charCodeAt(0));
    return new Float32Array(bytes.buffer);
  }
  if (!priors?.length) return null;
  return Array.isArray(priors[0]) ? Float32Array.from(priors.flat()) : priors;
}

const gridText = ({ grid: [rows, columns] }) => `${rows} × ${columns}`;

// (x1, y1, x2, y2) of a prior as fractions of the input, unclipped; null if it is not known.
function priorBox(about, index) {
  const prior = about.priors ? storedPrior(about, index) : computedPrior(about, index);
  if (!prior) return null;
  const [cx, cy, w, h] = prior;
  return [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2];
}

function storedPrior({ priors }, index) {
  return 4 * index + 4 <= priors.length ? [...priors.slice(4 * index, 4 * index + 4)] : null;
}

// Priors run by row, cell, then shape.
function computedPrior({ levels, input }, index) {
  const level = levels.find((one) => index >= one.firstPrior && index < one.firstPrior + one.numPriors);
  if (!level?.shapes || !input) return null;
  const [height, width] = input;
  const within = index - level.firstPrior;
  const cell = Math.floor(within / level.shapes.length);
  const [row, column] = [Math.floor(cell / level.grid[1]), cell % level.grid[1]];
  const [w, h] = level.shapes[within % level.shapes.length];
  const [down, across] = level.stride;
  const [top, left] = level.firstCentre ?? [down / 2, across / 2];
  return [(left + column * across) / width, (top + row * down) / height, w / width, h / height];
}

// Sides, the root of the area, of a level's priors in pixels of the input: smallest and largest.
function priorSides(about, level) {
  const shapes = level.shapes ?? storedShapes(about, level);
  if (!shapes) return null;
  const sides = shapes.map(([w, h]) => Math.sqrt(w * h));
  return [Math.min(...sides), Math.max(...sides)];
}

// The priors of the level's first cells stand for all: each cell has the same.
function storedShapes({ priors, input }, { firstPrior, numPriors, grid }) {
  if (!priors || !input) return null;
  const perCell = Math.max(1, Math.round(numPriors / (grid[0] * grid[1])));
  return Array.from({ length: perCell }, (_, shape) => {
    const at = 4 * (firstPrior + shape);
    return [priors[at + 2] * input[1], priors[at + 3] * input[0]];
  });
}

// Rules that at least one class has a threshold for, in the order they are given.
function rulesOf({ operatingPoints }) {
  return [...new Set(Object.values(operatingPoints).flatMap((rules) => Object.keys(rules)))];
}

// Thresholds of a rule by class. A class that cannot meet it is kept from the default.
function thresholdsOf(about, rule) {
  const of = (name) => about.operatingPoints[name]?.[rule] ?? DEFAULT_SCORE_THRESHOLD;
  return new Map(about.labels.map((name) => [name, of(name)]));
}
