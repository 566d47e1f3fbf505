// A box that is dragged or resized, and its IoU with the truth.
"use strict";

live.figures("iou", (figure, { truth, found, within }) => {
  const rectangle = figure.querySelector('[data-part="box"]');
  const corner = figure.querySelector('[data-part="corner"]');
  let box = [...found];

  const area = ([x1, y1, x2, y2]) => Math.max(x2 - x1, 0) * Math.max(y2 - y1, 0);

  function iou(one, other) {
    const shared = area([
      Math.max(one[0], other[0]), Math.max(one[1], other[1]),
      Math.min(one[2], other[2]), Math.min(one[3], other[3]),
    ]);
    return shared / (area(one) + area(other) - shared);
  }

  function draw() {
    const [x1, y1, x2, y2] = box;
    const sides = { x: x1, y: y1, width: x2 - x1, height: y2 - y1 };
    for (const [name, value] of Object.entries(sides)) rectangle.setAttribute(name, value);
    corner.setAttribute("x", x2 - 9);
    corner.setAttribute("y", y2 - 9);
    figure.dataset.box = JSON.stringify(box);
    live.show(figure, "iou", iou(truth, box).toFixed(4));
  }

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  live.draggable(rectangle, (dx, dy) => {
    dx = clamp(dx, within[0] - box[0], within[2] - box[2]);
    dy = clamp(dy, within[1] - box[1], within[3] - box[3]);
    box = [box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy];
    draw();
  });
  live.draggable(corner, (dx, dy) => {
    box[2] = clamp(box[2] + dx, box[0] + 10, within[2]);
    box[3] = clamp(box[3] + dy, box[1] + 10, within[3]);
    draw();
  });
  figure.querySelector("button").addEventListener("click", () => {
    box = [...found];
    draw();
  });
  draw();
});
