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

  globalThis.openSource = async ({ key = storedKey() } = {}) => {
    const about = await request("v1/model", {}, key);
    if (key) storeKey(key);
    return {
      about,
      place: "server",
      async detect(frame, { scoreThreshold }) {
        const body = await bodyOf(frame);
        const path = `v1/detect?score_threshold=${scoreThreshold}`;
        return request(path, { method: "POST", body, headers: { "Content-Type": body.type } }, key);
      },
    };
  };
}
