// Lesson 15: the most accurate published detector within a time.
"use strict";

live.figures("budget", (figure, data) => {
  const field = figure.querySelector('[name="milliseconds"]');
  const marks = figure.querySelectorAll(".detector");
  const area = figure.querySelector(".within");
  const [left, top, right, bottom] = data.plot;

  function draw() {
    const budget = Number(field.value);
    const [low, high] = data.range;
    const share = (Math.log10(budget) - low) / (high - low);
    const place = { x: left, y: top, width: share * (right - left), height: bottom - top };
    for (const [name, value] of Object.entries(place)) area.setAttribute(name, value);
    const within = data.detectors.filter((one) => one.ms <= budget);
    const best = within.reduce((a, b) => (a && a.ap >= b.ap ? a : b), null);
    data.detectors.forEach((one, index) => {
      marks[index].setAttribute("fill", one === best ? "#e08214" : "#3b8edb");
      marks[index].setAttribute("opacity", one.ms <= budget ? 1 : 0.3);
    });
    const answer = best ? `The most accurate one (orange): ${best.name}, AP ${best.ap} % at ${best.ms} ms.` : "None is as fast as that.";
    live.show(figure, "summary", `${budget} ms for an image. ${within.length} of ${data.detectors.length} fit. ${answer}`);
  }

  field.addEventListener("input", draw);
  draw();
});
