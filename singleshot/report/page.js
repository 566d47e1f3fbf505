// The sliders of a report. Every number is computed from the counts of singleshot.metrics.sweep as
// Python computes it; the page as it was written shows the same for the thresholds it opens with.
"use strict";

const sweep = JSON.parse(document.getElementById("sweep").textContent);
const NUM_STEPS = 101; // score thresholds 0.00, 0.01 … 1.00
const UNDEFINED = "–";
const SPEAK_AFTER = 500; // milliseconds without a change: a screen reader is not flooded
const WORDS = { tp: "true positive", fp: "false positive", fn: "false negative" };
const STYLES = { t: "tp", f: "fp", i: "ignored" };

const element = (id) => document.getElementById(id);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// What a reader has chosen; no label: all classes; no step: each class at its best F1.
const state = { label: null, step: null, iou: sweep.start };

// ---- Numbers

// Counts at each step, from how much is lost between a step and the next.
function fromLosses(lost) {
  const counts = new Array(NUM_STEPS).fill(0);
  for (let step = lost.length - 1, left = 0; step >= 0; step--) counts[step] = left += lost[step];
  return counts;
}

for (const one of sweep.classes) {
  one.truePositives = one.truePositives.map(fromLosses);
  one.falsePositives = one.falsePositives.map(fromLosses);
}

function countsOfClass(label, step) {
  const { truths, truePositives, falsePositives, best } = sweep.classes[label];
  if (step === null) return { truePositives: best[state.iou][1], falsePositives: best[state.iou][2], truths };
  return { truePositives: truePositives[state.iou][step], falsePositives: falsePositives[state.iou][step], truths };
}

function countsAt(label, step) {
  if (label !== null) return countsOfClass(label, step);
  const total = { truePositives: 0, falsePositives: 0, truths: 0 };
  for (const index of sweep.classes.keys()) {
    const own = countsOfClass(index, step);
    for (const name in total) total[name] += own[name];
  }
  return total;
}

const ratio = (part, whole) => (whole ? part / whole : null);

// Precision, recall and F1, each null where undefined; F1 is 0 without a true positive.
function measured({ truePositives, falsePositives, truths }) {
  const precision = ratio(truePositives, truePositives + falsePositives);
  const recall = ratio(truePositives, truths);
  if (recall === null) return { precision, recall, f1: null };
  return { precision, recall, f1: precision ? (2 * precision * recall) / (precision + recall) : 0 };
}

// The score a class is kept from.
function scoreThreshold(label) {
  if (state.step !== null) return state.step / 100;
  return sweep.classes[label].best[state.iou][0];
}

// Three digits. Python rounds a tie to the even digit, toFixed up; a tie is an odd sixteenth.
function text(value) {
  if (value === null) return UNDEFINED;
  const tie = (value * 16) % 2 === 1;
  if (!tie) return value.toFixed(3);
  const below = Math.floor(value * 1000);
  return ((below % 2 ? below + 1 : below) / 1000).toFixed(3);
}

const grouped = (count) => count.toLocaleString("en-US");
const plural = (count, word) => `${grouped(count)} ${word}${count === 1 ? "" : "s"}`;

// ---- Charts

const [LEFT, TOP, RIGHT, BOTTOM] = sweep.plot;
const toX = (share) => (LEFT + share * (RIGHT - LEFT)).toFixed(1);
const toY = (share) => (BOTTOM + share * (TOP - BOTTOM)).toFixed(1);

// Points of a line, from the changes of recall and precision in thousandths.
function pointsOf(changes) {
  const points = [];
  for (let i = 0, x = 0, y = 0; i < changes.length; i += 2) {
    x += changes[i];
    y += changes[i + 1];
    points.push(`${toX(x / 1000)},${toY(y / 1000)}`);
  }
  return points.join(" ");
}

function drawCurve(svg, label) {
  const { precision, recall } = measured(countsAt(label, state.step));
  const line = label === null ? sweep.line : sweep.classes[label].line;
  svg.querySelector("polyline").setAttribute("points", pointsOf(line[state.iou]));
  const known = precision !== null && recall !== null;
  let dot = svg.querySelector(".dot");
  if (!dot) {
    dot = document.createElementNS(svg.namespaceURI, "circle");
    dot.setAttribute("class", "dot");
    dot.setAttribute("r", "4.5");
    svg.append(dot);
  }
  dot.setAttribute("visibility", known ? "visible" : "hidden");
  dot.setAttribute("cx", toX(recall ?? 0));
  dot.setAttribute("cy", toY(precision ?? 0));
}

function drawThresholds() {
  const svg = document.querySelector("svg.thresholds");
  const steps = [...Array(NUM_STEPS).keys()].map((step) => measured(countsAt(state.label, step)));
  for (const [index, name] of ["precision", "recall", "f1"].entries()) {
    const known = [...steps.entries()].filter(([, numbers]) => numbers[name] !== null);
    const points = known.map(([step, numbers]) => `${toX(step / 100)},${toY(numbers[name])}`);
    svg.querySelector(`.line-${index + 1}`).setAttribute("points", points.join(" "));
  }
  const threshold = state.step === null && state.label === null ? Infinity : scoreThreshold(state.label);
  const marker = svg.querySelector(".marker");
  marker.setAttribute("visibility", threshold <= 1 ? "visible" : "hidden");
  marker.setAttribute("transform", `translate(${toX(Math.min(threshold, 1))})`);
}

function drawCharts() {
  drawCurve(document.querySelector("svg.whole"), state.label);
  drawThresholds();
  for (const figure of all(".of-class")) {
    const label = Number(figure.dataset.label);
    drawCurve(figure.querySelector("svg"), label);
    write(figure, measured(countsAt(label, state.step)));
  }
  const title = state.label === null ? "All classes" : sweep.classes[state.label].name;
  for (const place of all("[data-title]")) place.textContent = title;
  for (const svg of all("svg.whole, svg.thresholds")) {
    const rest = svg.getAttribute("aria-label").split(": ").pop();
    svg.setAttribute("aria-label", `${title}: ${rest}`);
  }
}

// ---- Images

const images = all(".image").map((figure) => ({
  figure,
  tally: figure.querySelector(".tally"),
  truths: all(".truth", figure).map((mark) => ({
    mark,
    label: Number(mark.dataset.label),
    counts: !("uncounted" in mark.dataset),
  })),
  detections: all(".detection", figure).map((mark) => ({
    mark,
    label: Number(mark.dataset.label),
    score: Number(mark.dataset.score),
    truth: Number(mark.dataset.truth),
    outcomes: mark.dataset.outcomes,
  })),
}));

function drawImage(image) {
  const { figure, tally, truths, detections } = image;
  const chosen = (one) => state.label === null || one.label === state.label;
  const counts = { tp: 0, fp: 0, fn: 0 };
  const detected = new Set();
  let concerned = false;
  for (const one of detections) {
    const style = STYLES[one.outcomes[state.iou]];
    const shown = chosen(one) && one.score >= scoreThreshold(one.label);
    one.mark.setAttribute("class", `mark detection ${shown ? style : "off"}`);
    if (!shown) continue;
    concerned = true;
    if (style in counts) counts[style] += 1;
    if (style === "tp") detected.add(one.truth);
  }
  for (const [index, one] of truths.entries()) {
    const style = !one.counts ? "uncounted" : detected.has(index) ? "annotated" : "fn";
    one.mark.setAttribute("class", `mark truth ${chosen(one) ? style : "off"}`);
    if (!chosen(one)) continue;
    concerned = true;
    if (style in counts) counts[style] += 1;
  }
  tally.textContent = Object.entries(WORDS).map(([style, word]) => plural(counts[style], word)).join(", ");
  figure.hidden = state.label !== null && !concerned;
  spreadNames(image);
}

// Hides names that would cover one another: the surest detection keeps its own, then the truths.
const WIDTH = 0.62; // of a letter, by its height

function blockOf(text) {
  const [height, x] = [letters(text), Number(text.getAttribute("x"))];
  const width = WIDTH * height * text.textContent.length;
  const left = text.getAttribute("text-anchor") === "end" ? x - width : x;
  const base = Number(text.getAttribute("y")) + parseFloat(text.getAttribute("dy")) * height;
  return [left, base - height, left + width, base + 0.2 * height];
}

function letters(text) {
  const svg = text.ownerSVGElement;
  const magnify = parseFloat(getComputedStyle(svg).getPropertyValue("--magnify")) || 1;
  return parseFloat(svg.style.getPropertyValue("--letters")) * magnify;
}

function spreadNames({ truths, detections }) {
  const blocks = [];
  const off = all("#legend input").filter((box) => !box.checked).map((box) => box.value);
  const surest = [...detections].sort((a, b) => b.score - a.score);
  for (const { mark } of [...surest, ...truths]) {
    const name = mark.querySelector("text");
    const named = !["off", "annotated", ...off].some((style) => mark.classList.contains(style));
    if (!name || !named) continue;
    const block = blockOf(name);
    const covers = ([l, t, r, b]) => block[0] < r && l < block[2] && block[1] < b && t < block[3];
    const crowded = blocks.some(covers);
    mark.classList.toggle("crowded", crowded);
    if (!crowded) blocks.push(block);
  }
}

// ---- Words

function write(place, numbers) {
  for (const one of all("[data-number]", place)) one.textContent = text(numbers[one.dataset.number]);
}

function scoreWords() {
  if (state.step !== null) return (state.step / 100).toFixed(2);
  if (state.label === null) return "best F1";
  const threshold = scoreThreshold(state.label);
  return threshold <= 1 ? text(threshold) : "none";
}

function describe() {
  const counts = countsAt(state.label, state.step);
  const iou = sweep.ious[state.iou].toFixed(2);
  const who = state.label === null ? "Each class" : sweep.classes[state.label].name;
  const from =
    state.step === null ? "from the score threshold of its best F1" : `from score ${scoreWords()}`;
  const each = sweep.images ? (counts.falsePositives / sweep.images).toFixed(2) : UNDEFINED;
  const shown = images.filter(({ figure }) => !figure.hidden).length;
  const where = shown < images.length ? ` It is in ${shown} of the ${images.length} images below.` : "";
  element("state").textContent =
    `${who} ${from}, at IoU ${iou}: ${plural(counts.truePositives, "true positive")}, ` +
    `${plural(counts.falsePositives, "false positive")} (${each} per image), ` +
    `${plural(counts.truths, "object")}.${where}`;
}

let speaking;

function speakLater(numbers) {
  clearTimeout(speaking);
  const [precision, recall, f1] = [numbers.precision, numbers.recall, numbers.f1].map(text);
  const words = `precision ${precision}, recall ${recall}, F1 ${f1}`;
  speaking = setTimeout(() => (element("spoken").textContent = words), SPEAK_AFTER);
}

// ---- Controls

function show() {
  const numbers = measured(countsAt(state.label, state.step));
  write(element("readings"), numbers);
  drawCharts();
  images.forEach(drawImage);
  describe();
  speakLater(numbers);
  const iou = sweep.ious[state.iou].toFixed(2);
  element("iou-text").textContent = iou;
  element("iou").setAttribute("aria-valuetext", iou);
  element("score-text").textContent = scoreWords();
  element("score").setAttribute("aria-valuetext", scoreWords());
  element("best").setAttribute("aria-pressed", String(state.step === null));
  const single = state.label === null ? Infinity : scoreThreshold(state.label);
  if (state.step === null && single <= 1) element("score").value = single;
}

let waiting = false;

// Sliders send more changes than a screen can show.
function showSoon() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    show();
  });
}

function choose(changes) {
  Object.assign(state, changes);
  showSoon();
}

element("score").addEventListener("input", (event) =>
  choose({ step: Math.round(event.target.value * 100) }),
);
element("iou").addEventListener("input", (event) => choose({ iou: Number(event.target.value) }));
element("class").addEventListener("change", (event) =>
  choose({ label: event.target.value === "" ? null : Number(event.target.value) }),
);
element("best").addEventListener("click", () => choose({ step: null }));
for (const box of all("#legend input")) {
  box.addEventListener("change", () => {
    element("explore").classList.toggle(`no-${box.value}`, !box.checked);
    images.forEach(spreadNames);
  });
}
images.forEach(spreadNames);
document.documentElement.classList.add("live");
