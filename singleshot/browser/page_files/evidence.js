// Where detections come from, by level, and where time goes.

const PHASES = ["preprocess", "network", "postprocess"];
const SMOOTHED = 20; // answers of a camera that times are averaged over

function showEvidence(shown) {
  const item = state.current;
  const times = item?.result?.milliseconds && item.times.length ? meanTimes(item.times) : null;
  element("evidence").hidden = !times && !showsLevels(item);
  element("time").hidden = !times;
  if (times) showTimes(times, item);
  element("levels").hidden = !showsLevels(item);
  if (showsLevels(item)) showLevels(shown);
}

const showsLevels = (item) => state.priors && state.about.levels.length > 0 && Boolean(item?.result);

function meanTimes(times) {
  // A phase that a detector does not time is null.
  const mean = (name) => {
    const known = times.map((one) => one[name]).filter((time) => typeof time === "number");
    return known.length ? known.reduce((sum, one) => sum + one, 0) / known.length : null;
  };
  return Object.fromEntries([...PHASES, "answered"].map((name) => [name, mean(name)]));
}

function showTimes(times, item) {
  const total = PHASES.reduce((sum, name) => sum + (times[name] ?? 0), 0);
  for (const [index, name] of PHASES.entries()) {
    element("phases").children[index].style.flexGrow = total ? Math.max((times[name] ?? 0) / total, 0.004) : 1;
    element(`time-${name}`).textContent = milliseconds(times[name]);
  }
  element("time-total").textContent = milliseconds(total || null);
  const where = state.source?.place === "server" ? "with sending and waiting" : "with the copies to and from the detector";
  const over = item.times.length > 1 ? `; means of ${item.times.length} frames` : "";
  element("time-note").textContent = `${milliseconds(times.answered)} ${where}${over}.`;
}

// ---- Levels

function showLevels(shown) {
  const counts = state.about.levels.map((_, level) => shown.filter((one) => one.level === level).length);
  const most = Math.max(1, ...counts);
  const perCell = state.about.levels.reduce((sum, one) => sum + one.numPriors, 0);
  element("levels-total").textContent = `${grouped(perCell)} priors`;
  matchChildren(element("level-rows"), state.about.levels, createLevel, (row, level, index) => {
    updateLevel(row, level, index, counts[index], counts[index] / most);
  });
  setTabStop(all("button", element("level-rows")), state.level ?? 0);
  const [height, width] = state.about.input ?? [];
  element("levels-note").textContent = height
    ? `Strides and sizes of priors (the root of their area) are in pixels of the input, ${width} × ${height}. A level’s row draws its grid over the image.`
    : "";
}

function createLevel(_, index) {
  const pick = make("button", { type: "button", className: "pick" }, make("i", { className: "dot" }), make("span"));
  const row = make("tr", {}, make("th", { scope: "row" }, pick), make("td"), make("td"),
    make("td", { className: "bar-column" }, make("div", {}, make("i", { className: "level-bar" }), make("b"))));
  row.addEventListener("pointerenter", () => choose({ level: index }));
  row.addEventListener("pointerleave", () => choose({ level: null }));
  pick.addEventListener("focus", () => pick.matches(":focus-visible") && choose({ level: index }));
  pick.addEventListener("blur", () => choose({ level: null }));
  return row;
}

function updateLevel(row, level, index, count, share) {
  const [name, stride, sides, bar] = row.children;
  name.firstChild.firstChild.style.background = `var(--level-${index % 8})`;
  name.firstChild.lastChild.textContent = gridText(level);
  name.firstChild.setAttribute("aria-label", `Level ${gridText(level)}: draw its grid`);
  stride.textContent = level.stride ? pairText(level.stride) : UNKNOWN;
  const range = priorSides(state.about, level);
  sides.textContent = range ? `${Math.round(range[0])}–${Math.round(range[1])}` : UNKNOWN;
  const [drawn, number] = bar.firstChild.children;
  drawn.style.setProperty("--share", share);
  drawn.style.background = `var(--level-${index % 8})`;
  number.textContent = count;
}

const connectEvidence = () => moveWithArrows(element("level-rows"), "button");

const pairText = ([down, across]) =>
  down === across ? shortNumber(down) : `${shortNumber(down)} × ${shortNumber(across)}`;
