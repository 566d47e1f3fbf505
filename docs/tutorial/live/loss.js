// Lesson 14: the loss, each point the mean of the steps before it.
"use strict";

live.figures("loss", (figure, data) => {
  const field = figure.querySelector('[name="width"]');

  /** The mean of each value and of those before it, up to `width` of them. */
  function average(values, width) {
    return values.map((_, end) => {
      const window = values.slice(Math.max(0, end + 1 - width), end + 1);
      return window.reduce((sum, value) => sum + value, 0) / window.length;
    });
  }

  function draw() {
    const width = Number(field.value);
    const [zero, one] = data.y;
    const ends = Object.entries(data.lines).map(([name, values]) => {
      const means = average(values, width);
      const points = means.map((value, index) => `${data.xs[index]},${(zero + (one - zero) * value).toFixed(2)}`);
      figure.querySelector(`.line-${name}`).setAttribute("points", points.join(" "));
      return `${name} ${means[means.length - 1].toFixed(3)}`;
    });
    live.show(figure, "summary", `Each point is the mean of ${width * data.steps} steps. At the end: ${ends.join(", ")}.`);
  }

  field.addEventListener("input", draw);
  draw();
});
