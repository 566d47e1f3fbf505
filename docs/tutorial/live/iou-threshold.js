// AP of a few detections at each of COCO's IoU thresholds.
"use strict";

live.figures("iou-threshold", (figure, { ious, numTruths, plot, thresholds }) => {
  const [, top, , bottom] = plot;
  const slider = figure.querySelector("input");

  /** The mean of the envelope at the recalls 0, 0.01 … 1. */
  function averagePrecision(isRight) {
    let tp = 0;
    const points = isRight.map((right, index) => {
      tp += right;
      return { recall: tp / numTruths, precision: tp / (index + 1) };
    });
    let sum = 0;
    for (let step = 0; step <= 100; step += 1) {
      const reached = points.filter(({ recall }) => recall >= step / 100);
      sum += Math.max(0, ...reached.map(({ precision }) => precision));
    }
    return sum / 101;
  }

  const rights = thresholds.map((threshold) => ious.map((iou) => iou >= threshold));
  const values = rights.map(averagePrecision);
  const dots = [...figure.querySelectorAll("[data-dot]")];
  dots.forEach((dot, index) => dot.setAttribute("cy", bottom - values[index] * (bottom - top)));
  live.show(figure, "mean", (values.reduce((sum, one) => sum + one, 0) / values.length).toFixed(4));

  function update() {
    const index = Math.round((Number(slider.value) - 0.5) / 0.05);
    const chosen = figure.querySelector('[data-part="chosen"]');
    for (const end of ["x1", "x2"]) chosen.setAttribute(end, dots[index].getAttribute("cx"));
    live.show(figure, "threshold", thresholds[index].toFixed(2));
    live.show(figure, "tp", rights[index].filter(Boolean).length);
    live.show(figure, "ap", values[index].toFixed(4));
  }

  slider.addEventListener("input", update);
  update();
});
