// Opening the source of detections, and connecting all controls.

const PRIVACY = {
  server: "Images are sent to this server and not stored.",
  device: "Images do not leave this device.",
};

function describeDetector(about, { place, notes = [] }) {
  document.title = `${about.name} – object detector`;
  element("name").textContent = about.name;
  const few = about.labels.length <= 6;
  const what = few ? joined(about.labels) : `${about.labels.slice(0, 4).join(", ")} and ${about.labels.length - 4} more classes`;
  const size = about.input ? ` Input ${about.input[1]} × ${about.input[0]} pixels.` : "";
  element("lead").textContent = `Detects ${what}.${size}`;
  element("privacy").textContent = [PRIVACY[place] ?? "", ...notes].join(" ");
}

// `rejected`: the key that was given is not accepted.
async function openDetector(options = {}) {
  try {
    state.source = await openSource({ onProgress: showProgress, ...options });
  } catch (error) {
    return openingFailed(error, options);
  }
  state.about = readAbout(state.source.about);
  describeDetector(state.about, state.source);
  element("priors-option").hidden = !state.about.hasPriors;
  listRules();
  if (state.about.operatingPoints && rulesOf(state.about).length) chooseRule(rulesOf(state.about)[0]);
  showSoon();
  workThroughImages();
  if (camera.item?.paused) pauseCamera(false);
  return undefined;
}

function openingFailed(error, options) {
  if (error.status === 401) return requestKey((key) => openDetector({ key }), Boolean(options.key));
  const { title, detail } = describeError(error);
  element("lead").textContent = "The detector is not available.";
  return notify("opening", title, { detail, actions: [["Try again", () => openDetector(options)]] });
}

// Called where a request needs a key that the source does not have: none is sent until it is given.
function openAgain() {
  state.source = null;
  if (element("key")) return;
  requestKey((key) => openDetector({ key }), true);
}

// Part loaded, from 0 to 1: weights can be many megabytes.
function showProgress(part) {
  element("lead").textContent = `Loading the detector: ${Math.round(100 * part)} %`;
}

// ---- Colours

const THEME = "singleshot-theme";

// A page opened from disk may have no storage.
function storedTheme() {
  try {
    return localStorage.getItem(THEME) ?? "auto";
  } catch {
    return "auto";
  }
}

function chooseTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  stage.version = null;
  try {
    localStorage.setItem(THEME, theme);
  } catch {
    // The choice lasts as long as the page.
  }
  showSoon();
}

function connectTheme() {
  for (const one of all("#theme input")) {
    one.checked = one.value === storedTheme();
    one.addEventListener("change", () => chooseTheme(one.value));
  }
  chooseTheme(storedTheme());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showSoon);
}

function connectOptions() {
  element("show-labels").addEventListener("change", (event) => choose({ labels: event.target.checked }));
  element("show-priors").addEventListener("change", (event) => choose({ priors: event.target.checked }));
}

connectTheme();
connectStage();
connectPanel();
connectImages();
connectCamera();
connectDownloads();
connectEvidence();
connectOptions();
openDetector();
