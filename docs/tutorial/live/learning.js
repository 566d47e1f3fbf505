// The boxes that a localizer predicts at some steps of its training.
"use strict";

live.figures("learning", (figure, { steps, runs }) => {
  const slider = figure.querySelector("input");
  const select = figure.querySelector("select");

  function update() {
    const index = Number(slider.value);
    const { boxes, localization, classification, iou } = runs[select.value][index];
    boxes.forEach(([x1, y1, x2, y2], number) => {
      const rectangle = figure.querySelector(`[data-number="${number}"]`);
      const sides = { x: x1, y: y1, width: Math.max(x2 - x1, 1), height: Math.max(y2 - y1, 1) };
      for (const [name, value] of Object.entries(sides)) rectangle.setAttribute(name, value);
    });
    live.show(figure, "step", steps[index]);
    live.show(figure, "localization", localization.toFixed(4));
    live.show(figure, "classification", classification.toFixed(4));
    live.show(figure, "iou", iou.toFixed(2));
  }

  slider.addEventListener("input", update);
  select.addEventListener("change", update);
  update();
});
