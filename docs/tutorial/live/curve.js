// Precision against recall, detection by detection, with the envelope and the area under it.
"use strict";

live.figures("curve", (figure, { scores, isDog, numDogs, plot }) => {
  const [left, top, right, bottom] = plot;
  const points = [];
  for (let count = 1, tp = 0; count <= scores.length; count += 1) {
    tp += isDog[count - 1];
    points.push({ recall: tp / numDogs, precision: tp / count, tp, count });
  }
  let count = 0;

  const at = (recall, precision) =>
    `${left + recall * (right - left)},${bottom - precision * (bottom - top)}`;

  function update() {
    const seen = points.slice(0, count);
    const corners = [];
    let area = 0;
    let before = 0;
    seen.forEach(({ recall }, index) => {
      const height = Math.max(...seen.slice(index).map((one) => one.precision));
      area += (recall - before) * height;
      corners.push(at(before, height), at(recall, height));
      before = recall;
    });
    if (count) corners.push(at(before, 0));
    figure.querySelector('[data-part="line"]').setAttribute("points", corners.join(" "));
    figure.querySelector('[data-part="area"]')
      .setAttribute("points", count ? [...corners, at(0, 0)].join(" ") : "");
    figure.querySelectorAll("[data-detection]").forEach((dot, index) => {
      dot.setAttribute("visibility", index < count ? "visible" : "hidden");
    });
    const last = seen[count - 1];
    live.show(figure, "last", last
      ? `${count}: score ${scores[count - 1].toFixed(2)}, ${isDog[count - 1] ? "a dog" : "a cat"}.`
      : "No detection yet.");
    live.show(figure, "precision", last ? `${last.tp}/${count} = ${last.precision.toFixed(4)}` : "–");
    live.show(figure, "recall", last ? `${last.tp}/${numDogs} = ${last.recall.toFixed(4)}` : "0");
    live.show(figure, "area", area.toFixed(4));
  }

  for (const button of figure.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => {
      count = Math.min(Math.max(count + Number(button.dataset.step), 0), points.length);
      update();
    });
  }
  update();
});
