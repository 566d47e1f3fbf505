// Thresholds, and the table of detections.

function showPanel(shown) {
  const item = state.current;
  const known = item?.status === "done" || item?.result;
  element("count").textContent = known ? grouped(shown.length) : "";
  element("count-word").textContent = shown.length === 1 && known ? "detection" : "detections";
  showTally(shown);
  showThreshold();
  showRules();
  showClasses(item, shown);
  showTable(shown, item);
  drawRug(item);
}

function showTally(shown) {
  const counts = countByLabel(shown);
  const create = () => make("li", {}, make("i", { className: "swatch" }), make("b"), " ", make("span"));
  matchChildren(element("tally"), counts, create, (one, [label, count]) => {
    one.children[0].style.background = coloursOf(label)[0];
    one.children[1].textContent = grouped(count);
    one.children[2].textContent = label;
  });
}

// ---- Thresholds

function thresholdWords() {
  if (state.rule !== null) return ruleWords(state.rule);
  return state.ofClass.size ? "by class" : scoreText(state.threshold);
}

function showThreshold() {
  const words = thresholdWords();
  element("score-text").textContent = words;
  const slider = element("score");
  slider.setAttribute("aria-valuetext", words);
  if (Number(slider.value) !== state.threshold) slider.value = state.threshold;
  element("score").parentElement.classList.toggle("by-class", state.ofClass.size > 0);
  slider.style.setProperty("--at", state.threshold);
}

function showRules() {
  for (const button of element("rules").children) {
    const { rule } = button.dataset;
    const pressed = rule ? rule === state.rule : state.rule === null && !state.ofClass.size;
    button.setAttribute("aria-pressed", String(pressed));
  }
}

function listRules() {
  const rules = rulesOf(state.about);
  element("rules").replaceChildren(...["", ...rules].map((rule) => {
    const textContent = rule ? ruleWords(rule) : "One for all";
    const button = make("button", { type: "button", data: { rule }, textContent });
    button.addEventListener("click", () => chooseRule(rule || null));
    return button;
  }));
  element("rules").hidden = !rules.length;
}

// Without a rule, all classes have one threshold again.
function chooseRule(rule) {
  choose({ rule, ofClass: rule === null ? new Map() : thresholdsOf(state.about, rule) });
}

const chooseThreshold = (threshold) => choose({ threshold, rule: null, ofClass: new Map() });

function chooseForClass(label, threshold) {
  choose({ rule: null, ofClass: new Map(state.ofClass).set(label, threshold) });
}

// Classes with any detection in this image, likely ones first; their order stays while they move.
function classesOf(item) {
  const best = new Map();
  for (const { label, score } of item?.result?.detections ?? []) best.set(label, Math.max(score, best.get(label) ?? 0));
  return [...best].sort(([, one], [, other]) => other - one).map(([label]) => label);
}

function showClasses(item, shown) {
  const labels = state.about.labels.length > 1 ? classesOf(item) : [];
  element("classes").hidden = !labels.length;
  const counts = new Map(countByLabel(shown));
  if (!element("classes").open) return;
  matchChildren(element("class-list"), labels, createClass, (row, label) => updateClass(row, label, counts));
}

function createClass() {
  const row = make("li");
  const slider = make("input", { type: "range", min: LOWEST_SCORE, max: 1, step: 0.01 });
  slider.addEventListener("input", () => chooseForClass(row.dataset.label, Number(slider.value)));
  row.append(make("label", {}, make("i", { className: "swatch" }), make("span", { className: "class-name" }), slider), make("b"), make("span", { className: "class-count" }));
  return row;
}

function updateClass(row, label, counts) {
  row.dataset.label = label;
  const [name, number, count] = row.children;
  name.children[0].style.background = coloursOf(label)[0];
  name.children[1].textContent = label;
  const threshold = thresholdOf(label);
  name.children[2].value = threshold;
  name.children[2].style.setProperty("--at", threshold);
  number.textContent = scoreText(threshold);
  count.textContent = grouped(counts.get(label) ?? 0);
}

// A tick for each score above the slider: which detections it would keep.
function drawRug(item) {
  const canvas = element("rug");
  const ratio = window.devicePixelRatio || 1;
  const box = canvas.getBoundingClientRect();
  const size = { width: Math.round(box.width * ratio), height: Math.round(box.height * ratio) };
  const context = fitCanvas(canvas, size);
  const thumb = 18 * ratio; // its middle is at the value
  const width = Math.max(1, Math.round(1.5 * ratio));
  for (const one of [...(item?.result?.detections ?? [])].reverse()) {
    const keep = one.score >= thresholdOf(one.label);
    const part = (one.score - LOWEST_SCORE) / (1 - LOWEST_SCORE);
    const height = size.height * (one === highlighted() ? 1 : 0.72);
    context.globalAlpha = keep ? 1 : 0.35;
    context.fillStyle = keep ? coloursOf(one.label)[0] : getComputedStyle(canvas).color;
    context.fillRect(Math.round(thumb / 2 + part * (size.width - thumb) - width / 2), size.height - height, width, height);
  }
  context.globalAlpha = 1;
}

// ---- Table

function showTable(shown, item) {
  const rows = element("rows");
  rows.closest("table").classList.toggle("with-levels", state.about.levels.length > 0);
  rows.closest("table").hidden = !shown.length;
  element("nothing").hidden = shown.length > 0;
  element("nothing").textContent = nothingWords(item);
  matchChildren(rows, shown, createRow, (row, one) => updateRow(row, one));
  setTabStop(all(".pick", rows), shown.indexOf(highlighted()));
}

function nothingWords(item) {
  if (!item) return "Detections are listed here.";
  if (item.status === "failed") return describeError(item.error).title;
  if (!item.result) return "Detecting …";
  const below = item.result.detections.length;
  return below ? `Nothing reaches the threshold; ${plural(below, "detection")} below it.` : "No detections in this image.";
}

function createRow() {
  const row = make("tr");
  const pick = make("button", { type: "button", className: "pick" }, make("i", { className: "swatch" }), make("span"));
  row.append(
    make("th", { scope: "row" }, pick), make("td", { className: "bar" }), make("td"),
    make("td", { className: "level-column" }, make("i", { className: "dot" }), make("span")),
  );
  row.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && hover(row.detection));
  row.addEventListener("pointerleave", () => hover(null));
  row.addEventListener("click", () => pin(row.detection));
  pick.addEventListener("focus", () => pick.matches(":focus-visible") && hover(row.detection));
  pick.addEventListener("blur", () => hover(null));
  return row;
}

function updateRow(row, one) {
  row.detection = one;
  const [label, score, size, level] = row.children;
  const pick = label.firstChild;
  pick.firstChild.style.background = coloursOf(one.label)[0];
  pick.lastChild.textContent = one.label;
  pick.setAttribute("aria-pressed", String(one === state.pinned));
  score.textContent = scoreText(one.score);
  score.style.setProperty("--share", one.score);
  const [x1, y1, x2, y2] = one.box;
  size.textContent = `${Math.round(x2 - x1)} × ${Math.round(y2 - y1)}`;
  if (state.about.levels[one.level]) {
    level.firstChild.style.background = `var(--level-${one.level % 8})`;
    level.lastChild.textContent = gridText(state.about.levels[one.level]);
  }
  row.classList.toggle("highlighted", one === highlighted());
}

// Within the table alone: the page itself does not move.
function scrollToRow(detection) {
  const row = [...element("rows").children].find((one) => one.detection === detection);
  const box = element("table-scroll");
  if (!row || box.scrollHeight <= box.clientHeight) return;
  const head = box.querySelector("thead").offsetHeight;
  if (row.offsetTop - head < box.scrollTop) box.scrollTop = row.offsetTop - head;
  const bottom = row.offsetTop + row.offsetHeight;
  if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight;
}

function connectPanel() {
  element("score").addEventListener("input", (event) => chooseThreshold(Number(event.target.value)));
  element("classes").addEventListener("toggle", showSoon);
  moveWithArrows(element("rows"), ".pick");
  element("rows").addEventListener("keydown", (event) => event.key === "Escape" && choose({ pinned: null, hovered: null }));
}
