// Lesson 16: which boxes NMS keeps.
"use strict";

live.figures("nms", (figure, data) => {
  const svg = figure.querySelector("svg");
  const field = (name) => figure.querySelector(`[name="${name}"]`);

  function iou(a, b) {
    const across = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
    const down = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
    const shared = Math.max(across, 0) * Math.max(down, 0);
    const area = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);
    return shared / (area(a) + area(b) - shared);
  }

  /** Keep a box unless a better one of its class overlaps it by more; they come best first. */
  function nms(boxes, threshold) {
    const kept = [];
    for (const one of boxes) {
      const covered = kept.some((other) => other.label === one.label && iou(other.box, one.box) > threshold);
      if (!covered) kept.push(one);
    }
    return kept;
  }

  function outline(one, group, attributes) {
    const [x1, y1, x2, y2] = one.box.map((side) => side * data.scale);
    const made = document.createElementNS(svg.namespaceURI, "rect");
    const place = { x: x1, y: y1, width: x2 - x1, height: y2 - y1, fill: "none", stroke: data.colours[one.label] };
    for (const [name, value] of Object.entries({ ...place, ...attributes })) made.setAttribute(name, value);
    svg.querySelector(`.${group}`).append(made);
  }

  function draw() {
    const [score, threshold] = ["score", "iou"].map((name) => Number(field(name).value));
    const boxes = data.boxes.filter((one) => one.score > score);
    const kept = nms(boxes, threshold);
    for (const group of ["dropped", "kept"]) svg.querySelector(`.${group}`).replaceChildren();
    for (const one of boxes) {
      if (!kept.includes(one)) outline(one, "dropped", { "stroke-dasharray": "4 4", opacity: 0.7 });
    }
    for (const one of kept) outline(one, "kept", { "stroke-width": 3 });
    const counts = data.names.map((name, label) => {
      const number = kept.filter((one) => one.label === label).length;
      return `${number} ${name}${number === 1 ? "" : "s"}`;
    });
    live.show(
      figure,
      "summary",
      `Scores above ${score.toFixed(2)}: ${boxes.length} boxes. NMS at IoU ${threshold.toFixed(2)} keeps ${kept.length}: ${counts.join(", ")}.`,
    );
  }

  for (const name of ["score", "iou"]) field(name).addEventListener("input", draw);
  draw();
});
