// What a visitor has added and chosen. Everything shown is computed from it by `show`.

const settings = JSON.parse(element("settings").textContent);
// Detections are requested once from here on; the sliders only filter them.
const LOWEST_SCORE = 0.01;

const state = {
  source: null,
  about: readAbout({}),
  items: [], // images, and the camera while it runs
  current: null, // the item on the stage
  threshold: DEFAULT_SCORE_THRESHOLD, // of classes that have none of their own
  ofClass: new Map(), // thresholds of single classes
  rule: null, // the operating point whose thresholds these are
  labels: true,
  priors: false,
  hovered: null, // a detection under the pointer or with the focus
  pinned: null, // a detection that was clicked
  level: null, // the level whose row is under the pointer or has the focus
};

const thresholdOf = (label) => state.ofClass.get(label) ?? state.threshold;

// Keep detections with the score threshold of their class or more, as the package does.
const kept = (detections) => detections.filter((one) => one.score >= thresholdOf(one.label));

const shownIn = (item) => (item?.result ? kept(item.result.detections) : []);

const highlighted = () => state.hovered ?? state.pinned;

// Counts by label, in the order of the labels.
function countByLabel(detections) {
  const counts = new Map();
  for (const { label } of detections) counts.set(label, (counts.get(label) ?? 0) + 1);
  const order = (name) => state.about.labelIndex.get(name) ?? state.about.labels.length;
  return [...counts].sort(([one], [other]) => order(one) - order(other));
}

// Colours of a class: of its boxes, and of text on them.
function coloursOf(label) {
  const index = state.about.labelIndex.get(label) ?? 0;
  return settings.palette[index % settings.palette.length];
}

let waiting = false;

// Draw at most once for each frame of the screen.
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

function show() {
  document.body.classList.toggle("empty-page", state.current === null);
  const shown = shownIn(state.current);
  if (!shown.includes(state.hovered)) state.hovered = null;
  if (!shown.includes(state.pinned)) state.pinned = null;
  showStage(shown);
  showPanel(shown);
  showEvidence(shown);
  showStrip();
  showDownloads();
  announceLater(shown);
}
