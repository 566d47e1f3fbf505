// Images: added, detected in one after the other, and listed.

let nextId = 1;
const THUMBNAIL = 160; // pixels of its longer side

function makeItem(name, properties) {
  return { id: nextId++, name, status: "waiting", result: null, error: null, times: [], width: 0, height: 0, ...properties };
}

function addFiles(files) {
  const added = [...files].map((file) => makeItem(file.name || "pasted image", { blob: file }));
  if (!added.length) return;
  stopCamera();
  state.items.push(...added);
  select(added[0]);
  workThroughImages();
}

async function addExample({ name, url }) {
  try {
    addFiles([await fileOfUrl(name, url)]);
  } catch {
    notify("example", `${name} could not be loaded`, { actions: [["Try again", () => addExample({ name, url })]] });
  }
}

// A data: URL is decoded here: the policy of a page from disk lets it fetch nothing.
async function fileOfUrl(name, url) {
  const [, type, content] = url.match(/^data:([^;,]*);base64,(.*)$/) ?? [];
  if (content) return new File([Uint8Array.from(atob(content), (one) => one.charCodeAt(0))], name, { type });
  const blob = await (await fetch(url)).blob();
  return new File([blob], name, { type: blob.type });
}

// One canvas of full size is kept, that of the image on the stage.
async function select(item) {
  const before = state.current;
  if (before && before !== item && !before.live && before.blob) before.canvas = null;
  choose({ current: item, hovered: null, pinned: null });
  requestAnimationFrame(() => requestAnimationFrame(scrollStrip));
  if (item && !item.canvas && item.blob) await loadPixels(item);
}

async function loadPixels(item) {
  try {
    const frame = await frameOfBlob(item.blob, item.name);
    takePixels(item, frame);
  } catch (error) {
    fail(item, error);
  }
  showSoon();
}

function takePixels(item, frame) {
  Object.assign(item, { width: frame.width, height: frame.height });
  item.thumbnail ??= thumbnailOf(frame);
  if (item === state.current) item.canvas = frame.canvas;
}

function thumbnailOf({ canvas, width, height }) {
  const scale = Math.min(1, THUMBNAIL / Math.max(width, height));
  const small = make("canvas", { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) });
  small.getContext("2d").drawImage(canvas, 0, 0, small.width, small.height);
  return small.toDataURL("image/jpeg", 0.8);
}

let working = false;

async function workThroughImages() {
  if (working || !state.source) return;
  working = true;
  const next = () => state.source && state.items.find((one) => one.status === "waiting" && one.blob);
  for (let item = next(); item; item = next()) await detectIn(item);
  working = false;
}

async function detectIn(item) {
  item.status = "running";
  showSoon();
  try {
    const frame = await frameOfBlob(item.blob, item.name);
    takePixels(item, frame);
    await answer(item, frame);
    item.status = "done";
  } catch (error) {
    fail(item, error);
  }
  showSoon();
}

// Detect in one frame; a busy server is given the time that it requests.
async function answer(item, frame, attempts = 4) {
  const start = performance.now();
  try {
    const result = await state.source.detect(frame, { scoreThreshold: LOWEST_SCORE, shrink: item.shrink });
    item.result = result;
    item.times = [...item.times, { ...result.milliseconds, answered: performance.now() - start }].slice(-SMOOTHED);
  } catch (error) {
    if (error.status !== 429 || attempts <= 1) throw error;
    const seconds = error.retryAfter ?? 1;
    notify("busy", "The server is busy", { detail: `It is tried again in ${plural(Math.ceil(seconds), "second")}.` });
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
    dismiss("busy");
    await answer(item, frame, attempts - 1);
  }
}

function fail(item, error) {
  Object.assign(item, { status: "failed", error });
  if (error.status === 401) {
    item.status = "waiting";
    return openAgain();
  }
  const { title, detail } = describeError(error);
  const actions = remediesOf(error);
  notify(error.status === undefined ? "failed" : `failed-${error.status}`, title, { detail: error instanceof ImageError ? detail : `${item.name}. ${detail}`.trim(), actions });
}

// What a visitor can do about an error; nothing about a file that is no image.
function remediesOf(error) {
  if (error instanceof ImageError || error.status === 415) return [];
  if (error.status === 413) return [["Shrink and try again", () => retry(413, { shrink: true })]];
  return [["Try again", () => retry(error.status)]];
}

// Try all images again that failed in this way.
function retry(status, changes = {}) {
  const alike = (one) => one.status === "failed" && !(one.error instanceof ImageError) && one.error.status === status;
  for (const one of state.items.filter(alike)) Object.assign(one, { status: "waiting", ...changes });
  workThroughImages();
}

// ---- Strip

function showStrip() {
  const items = state.items;
  element("strip-bar").hidden = items.length === 0;
  matchChildren(element("strip"), items, createThumbnail, updateThumbnail);
  setTabStop(all("button", element("strip")), items.indexOf(state.current));
}

// Bring the thumbnail of the image on the stage into view, without moving the page.
function scrollStrip() {
  const strip = element("strip");
  const place = strip.querySelector("[aria-current]")?.parentElement;
  if (!place) return;
  const [left, right] = [place.offsetLeft - strip.offsetLeft, place.offsetLeft - strip.offsetLeft + place.offsetWidth];
  if (left < strip.scrollLeft) strip.scrollLeft = left - place.offsetWidth / 2;
  if (right > strip.scrollLeft + strip.clientWidth) strip.scrollLeft = right - strip.clientWidth + place.offsetWidth / 2;
}

function createThumbnail() {
  const badge = make("span", { className: "badge" });
  const button = make("button", { type: "button" }, make("img", { alt: "" }), badge);
  button.addEventListener("click", () => select(button.item));
  button.addEventListener("focus", () => button.matches(":focus-visible") && button.item !== state.current && select(button.item));
  return make("li", {}, button);
}

function updateThumbnail(place, item) {
  const button = place.firstChild;
  const [image, badge] = button.children;
  button.item = item;
  if (item.thumbnail && image.src !== item.thumbnail) image.src = item.thumbnail;
  image.hidden = !item.thumbnail;
  const shown = shownIn(item).length;
  const text = item.status === "failed" ? "!" : item.result ? grouped(shown) : "…";
  if (badge.textContent !== text) badge.textContent = text;
  badge.dataset.status = item.status;
  const words = { failed: "failed", running: "detecting", waiting: "waiting", done: plural(shown, "detection") }[item.status];
  const label = item.live ? item.name : `${item.name}, ${words}`;
  if (button.getAttribute("aria-label") !== label) button.setAttribute("aria-label", label);
  if (item === state.current) button.setAttribute("aria-current", "true");
  else button.removeAttribute("aria-current");
}

function removeAll() {
  stopCamera();
  state.items = [];
  select(null);
  element("choose").focus();
}

// ---- Files that are chosen, dropped or pasted

const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

function connectImages() {
  element("choose").addEventListener("click", () => element("files").click());
  element("files").addEventListener("change", (event) => {
    addFiles(event.target.files);
    event.target.value = ""; // the same file can be chosen again
  });
  element("clear").addEventListener("click", removeAll);
  moveWithArrows(element("strip"), "button");
  document.addEventListener("paste", (event) => addFiles(event.clipboardData?.files ?? []));
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    element("curtain").hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) element("curtain").hidden = true;
  });
  document.addEventListener("drop", (event) => {
    element("curtain").hidden = true;
    if (!hasFiles(event)) return;
    event.preventDefault();
    addFiles(event.dataTransfer.files);
  });
  listExamples();
}

function listExamples() {
  const list = element("examples");
  for (const example of settings.examples) {
    const button = make("button", { type: "button" }, make("img", { src: example.url, alt: "" }));
    button.setAttribute("aria-label", `Try ${example.name}`);
    button.addEventListener("click", () => addExample(example));
    list.append(make("li", {}, button));
  }
  list.hidden = !settings.examples.length;
}
