// A window over an image, and the score that a classifier has given to it.
"use strict";

live.figures("window", (figure, { scale, steps, sizes }) => {
  const rectangle = figure.querySelector('[data-part="window"]');
  const select = figure.querySelector("select");
  const [across, down] = ["x", "y"].map((axis) => figure.querySelector(`[data-axis="${axis}"]`));

  function update() {
    const side = Number(select.value);
    const { rows, columns, scores } = sizes[select.value];
    across.max = columns - 1;
    down.max = rows - 1;
    const [column, row] = [Number(across.value), Number(down.value)];
    const place = { x: column * side / steps, y: row * side / steps, width: side, height: side };
    for (const [name, value] of Object.entries(place)) rectangle.setAttribute(name, scale * value);
    live.show(figure, "row", row + 1);
    live.show(figure, "column", column + 1);
    live.show(figure, "score", scores[row * columns + column].toFixed(4));
  }

  for (const control of [select, across, down]) control.addEventListener("input", update);
  update();
});
