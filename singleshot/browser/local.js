// The source of detections of a page that holds its detector itself: nothing is ever sent.
//
// The page has elements `runtime`, `detector`, `worker` (texts of scripts), `manifest` (JSON) and
// `wasm`, `model` (base64 of gzip).

/**
 * Open the detector of this page; resolves to
 * {about, place, threads, notes, detect(frame, {scoreThreshold})}.
 *
 * `onProgress` is called with the part of the runtime and the model that is unpacked.
 */
async function openSource({ onProgress = () => {} } = {}) {
  const text = (name) => document.getElementById(name).textContent;
  const worker = startWorker(text("worker"));
  const packed = [text("wasm"), text("model")];
  const total = packed[0].length + packed[1].length;
  let unpacked = 0;
  const count = (characters) => {
    unpacked += characters;
    onProgress(Math.min(unpacked / total, 1));
  };
  const [wasm, model] = await Promise.all(packed.map((one) => unpack(one, count)));
  const manifest = JSON.parse(text("manifest"));
  const parts = { runtime: text("runtime"), detector: text("detector"), wasm, model, manifest };
  const { about, threads } = await worker.request(parts, [wasm, model]);
  const notes = [
    threads > 1
      ? `The detector runs on this device, in ${threads} threads.`
      : "The detector runs on this device, in one thread: more need a server that sends the headers " +
        "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp.",
  ];
  const detect = (frame, { scoreThreshold } = {}) => {
    const { data, width, height } = frame.imageData();
    return worker.request({ image: { data, width, height }, scoreThreshold }, [data.buffer]);
  };
  return { about, place: "device", threads, notes, detect };
}

/** Start a worker, and return what sends it messages, each resolved to its answer. */
function startWorker(source) {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(url);
  const waiting = new Map();
  let next = 0;
  worker.onmessage = ({ data: { id, answer, error } }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) {
      resolve(answer);
    } else {
      reject(new Error(error));
    }
  };
  worker.onerror = (event) => {
    const error = new Error(event.message || "the worker that runs the detector could not start");
    waiting.forEach(({ reject }) => reject(error));
    waiting.clear();
  };
  const request = (message, transferred) =>
    new Promise((resolve, reject) => {
      waiting.set(next, { resolve, reject });
      worker.postMessage({ ...message, id: next }, transferred);
      next += 1;
    });
  return { request };
}

/** Decode base64 of gzip into an ArrayBuffer, piece by piece, each of which is counted. */
async function unpack(text, count) {
  const characters = text.trim();
  const length = 1 << 20; // of a piece; a multiple of 4
  let start = 0;
  const bytes = new ReadableStream({
    pull(controller) {
      if (start >= characters.length) {
        controller.close();
        return;
      }
      const piece = atob(characters.slice(start, start + length));
      start += length;
      count(piece.length * (4 / 3));
      controller.enqueue(Uint8Array.from(piece, (one) => one.charCodeAt(0)));
    },
  });
  return new Response(bytes.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
