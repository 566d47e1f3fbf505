// Multiply-adds of detectors for a number of regions, as bars.
"use strict";

live.figures("regions", (figure, { costs, most }) => {
  const slider = figure.querySelector("input");
  const [left, right] = [105, 400];

  function update() {
    const count = Number(slider.value);
    for (const [name, { once, each }] of Object.entries(costs)) {
      const total = once + each * count;
      const width = total / most * (right - left);
      figure.querySelector(`[data-bar="${name}"]`).setAttribute("width", width);
      const text = figure.querySelector(`[data-text="${name}"]`);
      text.setAttribute("x", left + width + 6);
      text.textContent = `${Math.round(total / 1e9).toLocaleString("en")} billion`;
    }
    live.show(figure, "regions", count.toLocaleString("en"));
  }

  slider.addEventListener("input", update);
  update();
});
