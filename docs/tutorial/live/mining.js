// Lesson 13: how many hard negatives count, and what that does to the loss.
"use strict";

live.figures("mining", (figure, data) => {
  const svg = figure.querySelector("svg");
  const ratio = figure.querySelector('[name="ratio"]');
  const rows = figure.querySelector('[data-rows="parts"]');

  function drawBoxes(count) {
    const drawn = data.boxes.slice(0, count).map(([x1, y1, x2, y2]) => {
      const box = document.createElementNS(svg.namespaceURI, "rect");
      const place = { x: x1, y: y1, width: x2 - x1, height: y2 - y1, fill: "none", stroke: "#e0524d" };
      for (const [name, value] of Object.entries(place)) box.setAttribute(name, value);
      return box;
    });
    svg.querySelector(".negatives").replaceChildren(...drawn);
  }

  function rowOf([name, sum], total) {
    const line = document.createElement("tr");
    const texts = [name, sum.toFixed(2), `${((100 * sum) / total).toFixed(0)} %`];
    line.append(...texts.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
    return line;
  }

  function draw() {
    const count = Number(ratio.value) * data.matches;
    drawBoxes(count);
    const negatives = data.losses.slice(0, count).reduce((sum, loss) => sum + loss, 0);
    const parts = [
      [`localization, ${data.matches} matches`, data.localization],
      [`classification, ${data.matches} matches`, data.matched],
      [`classification, ${count} negatives`, negatives],
    ];
    const total = parts.reduce((sum, part) => sum + part[1], 0);
    rows.replaceChildren(...parts.map((part) => rowOf(part, total)));
    const loss = (total / data.matches).toFixed(3);
    live.show(figure, "summary", `${ratio.value} to 1: ${count} negatives. Their loss is ${negatives.toFixed(2)}; the loss of the image is ${loss}.`);
    figure.dataset.negatives = negatives;
  }

  ratio.max = data.most;
  ratio.value = data.ratio;
  ratio.addEventListener("input", draw);
  draw();
});
