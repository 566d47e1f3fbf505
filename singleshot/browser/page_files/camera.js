// The camera: each frame is detected in and then shown, so that boxes belong to what is seen.

// Pixels of a frame's longer side: detectors shrink it to their input, and sending takes time.
const cameraSide = () => Math.min(1280, Math.max(480, 2 * Math.max(...(state.about.input ?? [320]))));
const RATE_WINDOW = 2000; // milliseconds that frames per second are counted over

// `fresh`: a frame has come since the last one was taken; `onFrame` is called with the next.
const camera = { stream: null, video: null, item: null, shownAt: [], fresh: false, onFrame: null };

const CAMERA_ERRORS = {
  NotAllowedError: ["The camera is blocked", "Allow it for this page in the browser’s address bar, then try again."],
  NotFoundError: ["There is no camera", "Connect one, or choose images."],
  NotReadableError: ["The camera cannot be read", "Another program may be using it. Close that, then try again."],
  OverconstrainedError: ["That camera is gone", "Choose another one."],
};

async function startCamera(deviceId = null) {
  stopCamera({ keep: false });
  if (!navigator.mediaDevices?.getUserMedia) {
    const detail = "Browsers give it to pages from https:// and from this machine only.";
    return notify("camera", "The camera is not available on this page", { detail });
  }
  dismiss("camera");
  const which = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: { ideal: "environment" } };
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: { ...which, width: { ideal: 1280 }, height: { ideal: 720 } } });
    await openStream(stream);
  } catch (error) {
    const [title, detail] = CAMERA_ERRORS[error.name] ?? ["The camera cannot be used", error.message];
    notify("camera", title, { detail, actions: [["Try again", () => startCamera(deviceId)]] });
  }
  return undefined;
}

async function openStream(stream) {
  const video = make("video", { srcObject: stream, muted: true, playsInline: true });
  await video.play();
  const item = makeItem("Camera", { live: true, paused: false, rate: 0, frame: 0, status: "done" });
  Object.assign(camera, { stream, video, item, shownAt: [] });
  stream.getVideoTracks()[0].addEventListener("ended", () => stopCamera());
  state.items.push(item);
  await select(item);
  await listCameras();
  showCameraControls();
  announce("The camera is on");
  watchFrames(video);
  runCamera(item);
}

async function listCameras() {
  const devices = (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "videoinput");
  const current = camera.stream?.getVideoTracks()[0].getSettings().deviceId;
  element("cameras").replaceChildren(...devices.map((one, index) =>
    make("option", { value: one.deviceId, textContent: cameraName(one, index), selected: one.deviceId === current })));
  element("cameras").closest("label").hidden = devices.length < 2;
}

// Phones name them "camera2 1, facing front".
function cameraName({ label }, index) {
  if (/front|user/i.test(label)) return "Front camera";
  if (/back|rear|environment/i.test(label)) return `Back camera${/ultra|wide|tele/i.test(label) ? ` (${label})` : ""}`;
  return label || `Camera ${index + 1}`;
}

function showCameraControls() {
  const on = camera.stream !== null;
  element("camera-controls").hidden = !on;
  element("camera").hidden = on;
  element("pause").setAttribute("aria-pressed", String(Boolean(camera.item?.paused)));
  element("pause").textContent = camera.item?.paused ? "Continue" : "Pause";
}

async function runCamera(item) {
  if (item.running) return; // a pause may be over before the frame that was in work
  item.running = true;
  while (camera.item === item && !item.paused) {
    try {
      await showFrame(item);
      dismiss("camera-failed");
    } catch (error) {
      if (!(await waitAfter(error, item))) break;
    }
    await nextFrame();
  }
  item.running = false;
}

async function showFrame(item) {
  camera.fresh = false;
  const frame = frameOfVideo(camera.video, cameraSide());
  await answer(item, frame, 1);
  if (camera.item !== item) return;
  Object.assign(item, { canvas: frame.canvas, width: frame.width, height: frame.height, frame: item.frame + 1 });
  item.thumbnail ??= thumbnailOf(frame);
  countFrame(item);
  showSoon();
}

function countFrame(item) {
  const now = performance.now();
  camera.shownAt = [...camera.shownAt, now].filter((time) => now - time <= RATE_WINDOW);
  const [first] = camera.shownAt;
  item.rate = now > first ? (1000 * (camera.shownAt.length - 1)) / (now - first) : 0;
}

// A server that is busy or gone is tried again, without an end: the camera may run for hours.
async function waitAfter(error, item) {
  if (error.status === 401) {
    pauseCamera(true);
    openAgain();
    return false;
  }
  const { title, detail } = describeError(error);
  if (error.status !== 429) notify("camera-failed", title, { detail: `${detail} The camera tries again.`.trim() });
  await new Promise((resolve) => setTimeout(resolve, 1000 * (error.retryAfter ?? 1)));
  return camera.item === item && !item.paused;
}

// Resolves at once where a frame has come while the last one was being detected in.
function nextFrame() {
  return camera.fresh ? Promise.resolve() : new Promise((resolve) => (camera.onFrame = resolve));
}

function watchFrames(video) {
  if (camera.video !== video) return;
  const request = (act) => (video.requestVideoFrameCallback ? video.requestVideoFrameCallback(act) : requestAnimationFrame(act));
  request(() => {
    camera.fresh = true;
    camera.onFrame?.();
    watchFrames(video);
  });
}

function pauseCamera(paused) {
  const { item } = camera;
  if (!item) return;
  item.paused = paused;
  camera.shownAt = [];
  showCameraControls();
  showSoon();
  if (!paused) runCamera(item);
}

// The last frame stays as an image, unless another camera takes over.
function stopCamera({ keep = true } = {}) {
  const { stream, item } = camera;
  if (!stream) return;
  for (const track of stream.getTracks()) track.stop();
  Object.assign(camera, { stream: null, video: null, item: null });
  item.live = false;
  item.name = `Camera ${new Date().toLocaleTimeString("en-GB")}`;
  if (!keep || !item.result) removeItem(item);
  showCameraControls();
  showSoon();
}

function removeItem(item) {
  state.items = state.items.filter((one) => one !== item);
  if (state.current === item) select(state.items[0] ?? null);
}

function connectCamera() {
  element("camera").addEventListener("click", () => startCamera());
  element("pause").addEventListener("click", () => pauseCamera(!camera.item?.paused));
  element("stop").addEventListener("click", () => {
    stopCamera();
    element("camera").focus();
  });
  element("cameras").addEventListener("change", (event) => startCamera(event.target.value));
}
