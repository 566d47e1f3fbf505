// The image with its detections: two canvases, of which only the upper one changes with the sliders.

const stage = { item: null, version: null, view: null };

// The canvas in pixels of the screen, and where the image lies in it.
function layOut(item) {
  const ratio = window.devicePixelRatio || 1;
  const box = element("stage").getBoundingClientRect();
  const [width, height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
  const scale = Math.min(width / item.width, height / item.height, 4 * ratio);
  const [w, h] = [Math.round(item.width * scale), Math.round(item.height * scale)];
  const size = item.result ?? item; // boxes are in pixels of what the detector was given
  return {
    ratio, canvas: { width, height },
    x: Math.round((width - w) / 2), y: Math.round((height - h) / 2), width: w, height: h,
    scaleX: w / size.width, scaleY: h / size.height,
    line: Math.max(1, Math.round(2 * ratio)),
    font: Math.round((box.width < 500 ? 11 : 12) * ratio),
  };
}

function fitCanvas(canvas, { width, height }) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  else canvas.getContext("2d").clearRect(0, 0, width, height);
  return canvas.getContext("2d");
}

function showStage(shown) {
  const item = state.current;
  element("empty").hidden = item !== null;
  element("caption").hidden = item === null;
  showState(item);
  describeStage(item, shown);
  if (!item?.width) return showEmptyStage();
  const view = layOut(item);
  showImage(item, view);
  stage.view = view;
  drawOverlay(fitCanvas(element("overlay"), view.canvas), view, item, shown);
}

function drawOverlay(context, view, item, shown) {
  const size = item.result ?? item;
  const focus = state.level === null ? highlighted() : null;
  const options = { focus, level: state.level, labels: state.labels };
  const level = state.level ?? (state.priors && focus?.level !== undefined ? focus.level : null);
  if (level !== null && state.about.levels[level]) drawGrid(context, view, state.about.levels[level], levelColour(level));
  if (state.priors) drawPriors(context, view, shown, size, options);
  drawDetections(context, view, shown, options);
}

// The lower canvas is drawn again for another image, another frame or another size of the window.
function showImage(item, view) {
  const { width, height } = view.canvas;
  const version = `${item.id} ${item.frame ?? 0} ${width} ${height} ${Boolean(item.canvas)}`;
  if (stage.version === version || !item.canvas) return;
  stage.version = version;
  const context = fitCanvas(element("image"), view.canvas);
  context.imageSmoothingQuality = "high";
  context.drawImage(item.canvas, view.x, view.y, view.width, view.height);
}

// Without an image: a grid with the priors of two cells, as in figure 1 of the paper.
function showEmptyStage() {
  Object.assign(stage, { view: null, version: null });
  const ratio = window.devicePixelRatio || 1;
  const box = element("stage").getBoundingClientRect();
  const canvas = { width: Math.round(box.width * ratio), height: Math.round(box.height * ratio) };
  fitCanvas(element("overlay"), canvas);
  const context = fitCanvas(element("image"), canvas);
  if (state.current || !state.about.hasPriors || !state.about.input) return;
  const cell = Math.round(Math.min(canvas.width / 13, canvas.height / 8));
  const view = { x: 0, y: 0, ...canvas };
  const grid = [canvas.height / cell, canvas.width / cell];
  drawGrid(context, view, { grid }, getComputedStyle(element("stage")).color, 0.09);
  const { levels } = state.about;
  const [left, right] = [1, levels.length - 2].map((index) => Math.max(0, Math.min(index, levels.length - 1)));
  drawCellPriors(context, left, { x: 2.5 * cell, y: (Math.floor(grid[0]) - 1.5) * cell, side: 1.6 * cell, ratio });
  drawCellPriors(context, right, { x: (Math.floor(grid[1]) - 2.5) * cell, y: 2.5 * cell, side: 2.9 * cell, ratio });
}

// The priors of one cell of a level around a point; their mean side is `side`.
function drawCellPriors(context, index, { x, y, side, ratio }) {
  const { firstPrior, numPriors, grid } = state.about.levels[index];
  const [height, width] = state.about.input;
  const perCell = Math.round(numPriors / (grid[0] * grid[1]));
  const boxes = Array.from({ length: perCell }, (_, shape) => priorBox(state.about, firstPrior + shape));
  const shapes = boxes.map(([x1, y1, x2, y2]) => [(x2 - x1) * width, (y2 - y1) * height]);
  const scale = side / Math.sqrt(shapes[0][0] * shapes[0][1]);
  context.strokeStyle = pageColour(`--level-${index % 8}`);
  context.lineWidth = Math.max(1, Math.round(1.5 * ratio));
  context.globalAlpha = 0.75;
  for (const [w, h] of shapes) {
    const [left, top] = [x - (w * scale) / 2, y - (h * scale) / 2].map((side) => Math.round(side) + 0.5);
    context.strokeRect(left, top, Math.round(w * scale), Math.round(h * scale));
  }
  context.globalAlpha = 1;
}

// A colour of the page as it is now: canvases do not resolve light-dark().
function pageColour(name) {
  const probe = make("i", { hidden: true });
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function showState(item) {
  const words = { waiting: "Waiting …", running: "Detecting …", failed: "No detections" };
  const text = item && !item.live ? words[item.status] : undefined;
  element("state").hidden = !text;
  element("state").textContent = text ?? "";
  element("rate").hidden = !item?.live;
  if (item?.live) element("rate").textContent = item.paused ? "paused" : rateText(item.rate);
}

const rateText = (rate) => (rate ? `${rate.toFixed(rate < 10 ? 1 : 0)} frames per second` : "starting …");

function describeStage(item, shown) {
  const overlay = element("overlay");
  const words = item ? `${item.name}, ${plural(shown.length, "detection")}` : "No image";
  if (overlay.getAttribute("aria-label") !== words && !item?.live) overlay.setAttribute("aria-label", words);
  if (!item) return;
  element("image-name").textContent = item.name;
  element("image-size").textContent = item.width ? `${item.width} × ${item.height}` : "";
}

// ---- Pointer and keys

// The smallest box that contains the point: one within another can be reached.
function detectionAt(event) {
  const { view } = stage;
  if (!view) return null;
  const box = element("overlay").getBoundingClientRect();
  const x = ((event.clientX - box.left) * view.ratio - view.x) / view.scaleX;
  const y = ((event.clientY - box.top) * view.ratio - view.y) / view.scaleY;
  const inside = shownIn(state.current).filter(
    ({ box: [x1, y1, x2, y2] }) => x >= x1 && x < x2 && y >= y1 && y < y2,
  );
  const area = ({ box: [x1, y1, x2, y2] }) => (x2 - x1) * (y2 - y1);
  return inside.reduce((best, one) => (best && area(best) <= area(one) ? best : one), null);
}

function hover(detection) {
  if (state.hovered === detection) return;
  choose({ hovered: detection });
}

function pin(detection) {
  choose({ pinned: state.pinned === detection ? null : detection, hovered: null });
  if (state.pinned) requestAnimationFrame(() => scrollToRow(state.pinned));
}

// Arrow keys step through the detections, best first.
function stepThrough(event) {
  const shown = shownIn(state.current);
  const at = shown.indexOf(highlighted());
  const last = shown.length - 1;
  const next = {
    ArrowRight: Math.min(at + 1, last), ArrowDown: Math.min(at + 1, last),
    ArrowLeft: Math.max(at - 1, 0), ArrowUp: Math.max(at - 1, 0), Home: 0, End: last, Escape: null,
  }[event.key];
  if (next === undefined || !shown.length) return;
  event.preventDefault();
  choose({ pinned: next === null ? null : shown[next], hovered: null });
  if (next === null) return;
  announce(describeDetection(shown[next], next, shown.length));
  requestAnimationFrame(() => scrollToRow(shown[next]));
}

function describeDetection({ label, score, box: [x1, y1, x2, y2], level }, index, count) {
  const [width, height] = [Math.round(x2 - x1), Math.round(y2 - y1)];
  const where = state.about.levels[level] ? `, level ${gridText(state.about.levels[level])}` : "";
  return `${index + 1} of ${count}: ${label}, score ${scoreText(score)}, ${width} by ${height} pixels${where}`;
}

function connectStage() {
  const overlay = element("overlay");
  overlay.addEventListener("pointermove", (event) => event.pointerType === "mouse" && hover(detectionAt(event)));
  overlay.addEventListener("pointerleave", () => hover(null));
  overlay.addEventListener("click", (event) => {
    const found = detectionAt(event);
    if (found || state.pinned) pin(found ?? state.pinned);
  });
  overlay.addEventListener("keydown", stepThrough);
  new ResizeObserver(showSoon).observe(element("stage"));
  // A window that moves to a screen of another resolution.
  window.addEventListener("resize", showSoon);
}
