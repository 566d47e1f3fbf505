// The worker of a page: opens the detector, then detects in one image after the other, so that the
// page stays responsive.
//
// A classic script, because a page that is opened from disk can start no other worker. Messages:
// {runtime, wasm, detector, model, manifest} first, answered by {about, threads}; then
// {id, image: {data, width, height}, scoreThreshold}, answered by {id, answer}; {error} in place of
// an answer. `runtime` and `detector` are texts of modules, `wasm` and `model` ArrayBuffers.

let detector = null;

self.onmessage = async ({ data: message }) => {
  const { id } = message;
  try {
    if (detector === null) {
      detector = await open(message);
      self.postMessage({ id, answer: { about: detector.about, threads: threads() } });
    } else {
      const { image, scoreThreshold } = message;
      self.postMessage({ id, answer: await detector.detect(image, { scoreThreshold }) });
    }
  } catch (error) {
    self.postMessage({ id, error: error?.message ?? String(error) });
  }
};

async function open({ runtime, wasm, detector: source, model, manifest }) {
  const ort = await importText(runtime);
  ort.env.wasm.wasmBinary = wasm;
  const { loadDetector } = await importText(source);
  return loadDetector({ ort, model, manifest, threads: threads() });
}

// Threads share memory, which browsers allow only to pages that are isolated from other origins.
function threads() {
  return self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, 8) : 1;
}

// A module of this worker's own: from disk, those that the page makes are of another origin.
async function importText(text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  // Not released: threads of the runtime start from it later.
  return import(url);
}
