// Detections on a canvas, in its own pixels: the same on the screen and in the saved image.
// A view maps pixels of the image to the canvas: {x, y, scaleX, scaleY, width, height, line, font}.

const SANS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif';
// On images, where page colours would be too dark; the finest level first.
const LEVEL_COLOURS = ["#ffd166", "#9be564", "#4dd8c9", "#6db8ff", "#b39bff", "#ff8fd4", "#ff8a80", "#d8c3a5"];
const levelColour = (level) => LEVEL_COLOURS[level % LEVEL_COLOURS.length];
const HALO = "rgba(0, 0, 0, .55)"; // shows a line on a background of its own colour
const FAINT = 0.35; // opacity of what is not highlighted

// Sides at whole pixels of the canvas: lines are crisp.
function toCanvas(view, [x1, y1, x2, y2]) {
  const left = Math.round(view.x + x1 * view.scaleX);
  const top = Math.round(view.y + y1 * view.scaleY);
  const right = Math.round(view.x + x2 * view.scaleX);
  const bottom = Math.round(view.y + y2 * view.scaleY);
  return { left, top, width: Math.max(1, right - left), height: Math.max(1, bottom - top) };
}

function strokeBox(context, { left, top, width, height }, { colour, line, dash = [] }) {
  const inset = line / 2;
  const sides = [left + inset, top + inset, Math.max(1, width - line), Math.max(1, height - line)];
  if (context.globalAlpha === 1) {
    context.lineWidth = line + 2 * Math.max(1, Math.round(line / 2));
    context.strokeStyle = HALO;
    context.strokeRect(...sides);
  }
  context.setLineDash(dash);
  context.lineWidth = line;
  context.strokeStyle = colour;
  context.strokeRect(...sides);
  context.setLineDash([]);
}

// Draw all; higher scores are drawn over lower ones, labels over boxes.
function drawDetections(context, view, detections, { focus = null, labels = true, level = null } = {}) {
  const opacity = (one) => (focus ? one === focus : level === null || one.level === level) ? 1 : FAINT;
  for (const one of [...detections].reverse()) {
    if (one === focus) continue;
    context.globalAlpha = opacity(one);
    strokeBox(context, toCanvas(view, one.box), { colour: coloursOf(one.label)[0], line: view.line });
  }
  context.globalAlpha = 1;
  if (focus) {
    const line = Math.round(view.line * 1.5);
    strokeBox(context, toCanvas(view, focus.box), { colour: coloursOf(focus.label)[0], line });
  }
  const named = focus ? [focus] : labels ? detections.filter((one) => opacity(one) === 1) : [];
  drawLabels(context, view, named);
}

function drawLabels(context, view, detections) {
  context.font = `600 ${view.font}px ${SANS}`;
  context.textBaseline = "middle";
  for (const { block, text, colours } of placeLabels(context, view, detections)) {
    context.fillStyle = colours[0];
    context.fillRect(block.left, block.top, block.width, block.height);
    context.fillStyle = colours[1];
    context.fillText(text, block.left + view.font * 0.4, block.top + block.height * 0.53);
  }
}

// A label that would cover that of a higher score is left out: the table has it.
function placeLabels(context, view, detections) {
  const placed = [];
  for (const one of detections) {
    const box = toCanvas(view, one.box);
    const { text, size } = labelOf(context, view, one, detections.length === 1 ? Infinity : box.width);
    const free = labelBlocks(view, box, size).find((block) => !placed.some((other) => overlap(block, other.block)));
    if (free) placed.push({ block: free, text, colours: coloursOf(one.label) });
  }
  return placed;
}

// With its score, unless the box is much narrower than that.
function labelOf(context, view, { label, score }, available) {
  const height = Math.ceil(view.font * 1.5);
  const widthOf = (text) => Math.ceil(context.measureText(text).width + view.font * 0.8);
  const whole = `${label} ${scoreText(score)}`;
  const text = widthOf(whole) <= 1.5 * available ? whole : label;
  return { text, size: { width: widthOf(text), height } };
}

// Above the box, below it, then inside; without space above, inside first.
function labelBlocks(view, box, { width, height }) {
  const [bottom, right] = [view.y + view.height, view.x + view.width];
  const inside = [box.top, box.top + box.height - height];
  const outside = [box.top - height, box.top + box.height];
  const tops = box.top - height >= view.y ? [...outside, ...inside] : [...inside, outside[1]];
  const left = Math.max(view.x, Math.min(box.left, right - width));
  return tops.map((top) => ({
    left: Math.round(left),
    top: Math.round(Math.max(view.y, Math.min(top, bottom - height))),
    width, height,
  }));
}

const overlap = (one, other) =>
  one.left < other.left + other.width && other.left < one.left + one.width &&
  one.top < other.top + other.height && other.top < one.top + one.height;

// ---- Priors

// A box of fractions of the input, in pixels of the image: the input is the stretched image.
const stretched = (box, { width, height }) => [box[0] * width, box[1] * height, box[2] * width, box[3] * height];

// Draw the prior of each detection, dashed in the colour of its level.
function drawPriors(context, view, detections, image, { focus = null, level = null } = {}) {
  const dash = [3 * view.line, 2 * view.line];
  const line = Math.max(1, Math.round(view.line * 0.75));
  for (const one of [...detections].reverse()) {
    const box = one.prior === undefined ? null : priorBox(state.about, one.prior);
    if (!box) continue;
    const opaque = focus ? one === focus : level === null || one.level === level;
    context.globalAlpha = opaque ? 1 : 0.15;
    const colour = levelColour(one.level);
    strokeBox(context, toCanvas(view, stretched(box, image)), { colour, line, dash });
    drawCentre(context, view, stretched(box, image), colour);
  }
  context.globalAlpha = 1;
}

function drawCentre(context, view, [x1, y1, x2, y2], colour) {
  const at = toCanvas(view, [(x1 + x2) / 2, (y1 + y2) / 2, (x1 + x2) / 2, (y1 + y2) / 2]);
  context.beginPath();
  context.arc(at.left, at.top, 1.5 * view.line, 0, 2 * Math.PI);
  context.lineWidth = 2;
  context.strokeStyle = HALO;
  context.stroke();
  context.fillStyle = colour;
  context.fill();
}

// Draw the cells of a level over the image.
function drawGrid(context, view, { grid }, colour, opacity = 0.5) {
  const [rows, columns] = grid;
  context.globalAlpha = opacity;
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.beginPath();
  for (let column = 1; column < columns; column++) {
    const x = Math.round(view.x + (view.width * column) / columns) + 0.5;
    context.moveTo(x, view.y);
    context.lineTo(x, view.y + view.height);
  }
  for (let row = 1; row < rows; row++) {
    const y = Math.round(view.y + (view.height * row) / rows) + 0.5;
    context.moveTo(view.x, y);
    context.lineTo(view.x + view.width, y);
  }
  context.stroke();
  context.globalAlpha = 1;
}
