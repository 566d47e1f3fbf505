// A detector that `singleshot export` wrote, from pixels to detections, in a browser or in Node.
//
// onnxruntime-web is passed in, so that this file depends on nothing else.

import { resize, toInput } from "./resizing.js";
import { select } from "./selection.js";

/**
 * Load a detector.
 *
 * ort: onnxruntime-web (or onnxruntime-node); model: its ONNX file, as an ArrayBuffer or URL;
 * manifest: its model.json (contract `decoded`); threads: of the runtime, left out as many as it
 * takes.
 *
 * Throws an Error for a manifest of another contract, and where the runtime cannot read the model.
 */
export async function loadDetector({ ort, model, manifest, threads }) {
  if (manifest.manifest_version !== 1 || manifest.contract !== "decoded") {
    throw new Error(
      `model.json: version ${manifest.manifest_version}, contract ${manifest.contract}; expected ` +
        "version 1, contract decoded: export the model again with --contract decoded",
    );
  }
  if (threads !== undefined && ort.env?.wasm) {
    ort.env.wasm.numThreads = threads;
  }
  const content = model instanceof ArrayBuffer ? new Uint8Array(model) : model;
  const session = await ort.InferenceSession.create(content, { executionProviders: ["wasm"] });
  return new Detector(ort, session, manifest);
}

class Detector {
  constructor(ort, session, manifest) {
    this.ort = ort;
    this.session = session;
    this.manifest = manifest;
    this.about = describe(manifest);
    this.levels = levelOfEachPrior(this.about);
    const names = (kind) => manifest.outputs.find((one) => one.kind === kind).name;
    this.outputs = { boxes: names("boxes"), scores: names("scores") };
  }

  /**
   * Detect objects in an image {data: RGBA bytes, width, height}; alpha is not read.
   *
   * Boxes are in pixels of the image, best first; scores are above `scoreThreshold`, and never
   * below `about.scoreThreshold`.
   */
  async detect(image, { scoreThreshold = 0 } = {}) {
    requireImage(image);
    const started = performance.now();
    const feeds = this.preprocess(image);
    const prepared = performance.now();
    const outputs = await this.session.run(feeds);
    const computed = performance.now();
    const detections = this.postprocess(outputs, image, scoreThreshold);
    const finished = performance.now();
    return {
      width: image.width,
      height: image.height,
      detections,
      milliseconds: {
        preprocess: prepared - started,
        network: computed - prepared,
        postprocess: finished - computed,
      },
    };
  }

  /** Turn an image into the input of the model. */
  preprocess(image) {
    const description = this.manifest.input;
    const values = toInput(resize(image, description.size, description.resize), description);
    const [height, width] = description.size;
    const shape = description.layout === "NHWC" ? [1, height, width, 3] : [1, 3, height, width];
    return { [description.name]: new this.ort.Tensor(description.dtype, values, shape) };
  }

  /** Turn outputs of the model into detections in an image of this width and height. */
  postprocess(outputs, { width, height }, scoreThreshold) {
    const boxes = outputs[this.outputs.boxes].data;
    const scores = outputs[this.outputs.scores].data;
    return select(boxes, scores, this.manifest, [width, height])
      .filter((one) => one.score >= scoreThreshold)
      .map((one) => ({
        ...one,
        label: this.manifest.class_names[one.label],
        level: this.levels[one.prior],
      }));
  }
}

/** Throw an Error for what is not the pixels of an image. */
function requireImage(image) {
  const { data, width, height } = image ?? {};
  if (!(width > 0 && height > 0) || data?.length !== width * height * 4) {
    throw new Error(
      `an image of ${width} x ${height} with ${data?.length} numbers; expected RGBA pixels, ` +
        "4 numbers for each: {data, width, height}, as ImageData",
    );
  }
}

/** Describe the detector for a page. */
function describe(manifest) {
  const { input, decoding, operating_point: point } = manifest;
  const priors = decodeFloats(decoding.priors_float32_base64);
  const thresholds = {};
  for (const [label, threshold] of Object.entries(point?.score_thresholds ?? {})) {
    if (threshold !== null) {
      thresholds[label] = { [point.rule]: threshold };
    }
  }
  return {
    // Of a page; a model.json has the kind of detector alone.
    name: manifest.name ?? manifest.detector.kind,
    labels: manifest.class_names,
    input: input.size,
    precision: manifest.precision,
    operatingPoints: thresholds,
    scoreThreshold: manifest.postprocessing.score_threshold,
    levels: describeLevels(decoding.levels, priors, input.size),
    priors,
  };
}

/** Describe each feature map: its priors in the table, and the pixels between their centres. */
function describeLevels(levels, priors, [height, width]) {
  let firstPrior = 0;
  return levels.map(({ grid, priors_per_cell: priorsPerCell }) => {
    const [rows, columns] = grid;
    const between = (other, axis) => priors[4 * (firstPrior + other) + axis] - priors[4 * firstPrior + axis];
    const level = {
      grid,
      stride: [
        rows > 1 ? between(columns * priorsPerCell, 1) * height : height,
        columns > 1 ? between(priorsPerCell, 0) * width : width,
      ],
      priorsPerCell,
      firstPrior,
      numPriors: rows * columns * priorsPerCell,
    };
    firstPrior += level.numPriors;
    return level;
  });
}

function levelOfEachPrior({ levels, priors }) {
  const found = new Uint8Array(priors.length / 4);
  levels.forEach(({ firstPrior, numPriors }, index) => {
    found.fill(index, firstPrior, firstPrior + numPriors);
  });
  return found;
}

/** Decode little-endian floats from base64. */
function decodeFloats(text) {
  const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 4 }, (_, index) => view.getFloat32(4 * index, true));
}
