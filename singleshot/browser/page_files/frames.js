// One image on its way to the detector and to the screen.

const SENDABLE = new Set(["image/jpeg", "image/png", "image/webp"]);
const READABLE = "JPEG, PNG and WebP files can be read by every browser.";

class ImageError extends Error {
  constructor(name) {
    super(`${name} cannot be read as an image`);
  }
}

// Pixels as the file has them: turned by EXIF, colours not converted.
const DECODING = { imageOrientation: "from-image", colorSpaceConversion: "none" };

async function frameOfBlob(blob, name) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, DECODING);
  } catch {
    throw new ImageError(name);
  }
  const canvas = canvasOf(bitmap, bitmap.width, bitmap.height);
  bitmap.close();
  return makeFrame(canvas, { still: true, blob: SENDABLE.has(blob.type) ? blob : null });
}

function frameOfVideo(video, longestSide) {
  const scale = Math.min(1, longestSide / Math.max(video.videoWidth, video.videoHeight));
  const [width, height] = [video.videoWidth, video.videoHeight].map((side) => Math.round(side * scale));
  return makeFrame(canvasOf(video, width, height), { still: false, blob: null });
}

// Transparent pixels become white, as where the package reads images.
function canvasOf(source, width, height) {
  const canvas = make("canvas", { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0, width, height);
  return canvas;
}

// The file itself, where a server can read it, gives the same detections as in Python.
function makeFrame(canvas, { still, blob }) {
  const { width, height } = canvas;
  return {
    canvas, width, height, still, blob,
    imageData: () => canvas.getContext("2d").getImageData(0, 0, width, height),
    toBlob: (type, quality) => new Promise((resolve) => canvas.toBlob(resolve, type, quality)),
  };
}
