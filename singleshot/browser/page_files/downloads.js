// Results as files.

function save(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = make("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

// The JSON of `singleshot predict`: all images, with the detections that reach their thresholds.
function predictionsOf(items) {
  return items.filter((one) => one.result).map((one) => ({
    image: one.name, width: one.result.width, height: one.result.height, detections: shownIn(one),
  }));
}

function saveJson() {
  const text = JSON.stringify(predictionsOf(state.items), null, 1);
  save("detections.json", new Blob([text], { type: "application/json" }));
}

// The image in its own pixels, with lines and letters that suit its size.
function annotatedCanvas(item) {
  const { width, height } = item.canvas;
  const canvas = make("canvas", { width, height });
  const context = canvas.getContext("2d");
  context.drawImage(item.canvas, 0, 0);
  const size = item.result;
  const mean = Math.sqrt(width * height); // shares of it as in singleshot.drawing
  const view = {
    x: 0, y: 0, width, height, scaleX: width / size.width, scaleY: height / size.height,
    line: Math.max(1, Math.round(mean / 250)), font: Math.max(9, Math.round(mean / 40)),
  };
  const shown = shownIn(item);
  if (state.priors) drawPriors(context, view, shown, size);
  drawDetections(context, view, shown, { labels: state.labels });
  return canvas;
}

function savePng() {
  const item = state.current;
  const name = item.name.replace(/\.[a-z]+$/i, "").replace(/[^\w.-]+/g, "-");
  annotatedCanvas(item).toBlob((blob) => save(`${name}-detections.png`, blob), "image/png");
}

function showDownloads() {
  element("save-json").disabled = !state.items.some((one) => one.result);
  element("save-png").disabled = !(state.current?.result && state.current.canvas);
  element("save-json").textContent = state.items.length > 1 ? "Save JSON of all images" : "Save JSON";
}

function connectDownloads() {
  element("save-json").addEventListener("click", saveJson);
  element("save-png").addEventListener("click", savePng);
}
