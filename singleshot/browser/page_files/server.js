// Detections from the server that this page came from.
"use strict";

{
  const KEY = "singleshot-key";

  class ServerError extends Error {
    constructor(title, detail, status, retryAfter) {
      super(title);
      Object.assign(this, { title, detail, status, retryAfter });
    }
  }

  const gone = () => new ServerError("The server cannot be reached", "It may have stopped, or the network is down.", 0);

  const storedKey = () => {
    try {
      return sessionStorage.getItem(KEY);
    } catch {
      return null;
    }
  };

  const storeKey = (key) => {
    try {
      sessionStorage.setItem(KEY, key);
    } catch {
      // It lasts as long as the page.
    }
  };

  const TITLES = {
    401: "This server requires an API key",
    413: "The image is too large for this server",
    415: "This server does not read such files",
    429: "The server is busy",
    503: "The server is not ready",
  };

  // A problem of RFC 9457, where the server sent one.
  async function problemOf(answer) {
    let problem = {};
    try {
      if (/json/.test(answer.headers.get("Content-Type"))) problem = await answer.json();
    } catch {
      // The status alone will do.
    }
    const detail = typeof problem.detail === "string" ? problem.detail : "";
    const title = TITLES[answer.status] ?? problem.title ?? `The server answered ${answer.status}`;
    const retryAfter = Number(answer.headers.get("Retry-After")) || undefined;
    return new ServerError(title, detail, answer.status, retryAfter);
  }

  async function request(path, options, key) {
    const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
    let answer;
    try {
      answer = await fetch(path, { ...options, headers, cache: "no-store" });
    } catch {
      throw gone();
    }
    if (!answer.ok) throw await problemOf(answer);
    return answer.json();
  }

  // Stills go as they are; frames of a camera, which have no file, as JPEG.
  async function bodyOf(frame) {
    if (frame.blob) return frame.blob;
    return frame.still ? frame.toBlob("image/png") : frame.toBlob("image/jpeg", 0.92);
  }

  const MOST_PIXELS = 4e6; // of an image that is shrunk: more than detectors look at

  // The image, smaller, within the limits of the server.
  async function shrunkBody({ canvas, width, height }, limits = {}) {
    const pixels = Math.min(MOST_PIXELS, limits.max_pixels ?? Infinity);
    for (let scale = Math.min(1, Math.sqrt(pixels / (width * height))); ; scale *= 0.7) {
      const [w, h] = [width, height].map((side) => Math.max(1, Math.floor(side * scale)));
      const small = Object.assign(document.createElement("canvas"), { width: w, height: h });
      const context = small.getContext("2d");
      context.imageSmoothingQuality = "high";
      context.drawImage(canvas, 0, 0, w, h);
      const body = await new Promise((resolve) => small.toBlob(resolve, "image/jpeg", 0.92));
      if (body.size <= (limits.max_bytes ?? Infinity) || w * h < 1e4) return body;
    }
  }

  // An answer about a smaller image, in pixels of the image itself.
  function enlarged(answer, { width, height }) {
    const [across, down] = [width / answer.width, height / answer.height];
    const detections = answer.detections.map((one) => {
      const [x1, y1, x2, y2] = one.box;
      return { ...one, box: [x1 * across, y1 * down, x2 * across, y2 * down] };
    });
    return { ...answer, width, height, detections };
  }

  globalThis.openSource = async ({ key = storedKey() } = {}) => {
    const about = await request("v1/model", {}, key);
    if (key) storeKey(key);
    return {
      about,
      place: "server",
      // `shrink`: send a smaller image in place of one that is too large.
      async detect(frame, { scoreThreshold, shrink = false }) {
        const body = shrink ? await shrunkBody(frame, about.limits) : await bodyOf(frame);
        const path = `v1/detect?score_threshold=${scoreThreshold}`;
        const answer = await request(path, { method: "POST", body, headers: { "Content-Type": body.type } }, key);
        return shrink ? enlarged(answer, frame) : answer;
      },
    };
  };
}
