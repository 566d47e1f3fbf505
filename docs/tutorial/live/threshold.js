// Detections above a score threshold, and the counts that follow from it.
"use strict";

live.figures("threshold", (figure, { scores, isDog, numDogs }) => {
  const slider = figure.querySelector("input");

  function update() {
    const threshold = Number(slider.value);
    const counts = scores.map((score) => score >= threshold);
    const tp = counts.filter((one, index) => one && isDog[index]).length;
    const all = counts.filter(Boolean).length;
    figure.querySelectorAll("[data-detection]").forEach((part, index) => {
      part.setAttribute("opacity", counts[index] ? 1 : 0.2);
    });
    live.show(figure, "threshold", threshold.toFixed(2));
    live.show(figure, "tp", tp);
    live.show(figure, "fp", all - tp);
    live.show(figure, "fn", numDogs - tp);
    live.show(figure, "precision", all ? (tp / all).toFixed(4) : "undefined, as nothing is detected");
    live.show(figure, "recall", (tp / numDogs).toFixed(4));
  }

  slider.addEventListener("input", update);
  update();
});
