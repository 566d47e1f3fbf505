// Lesson 11: the number of priors by input size and levels.
"use strict";

live.figures("counts", (figure, data) => {
  const svg = figure.querySelector("svg");
  const input = figure.querySelector('[name="input"]');
  const levels = figure.querySelector(".levels");
  const number = new Intl.NumberFormat("en-US");
  let shown = null; // the recipe whose levels can be chosen

  /** The sides of VGG16's grids: poolings round down, but the third one up; then convolutions. */
  function gridSides(recipe, side) {
    const first = Math.ceil(Math.floor(Math.floor(side / 2) / 2) / 2);
    const sides = [first, Math.floor(first / 2)];
    const last = recipe.priors.length - 1;
    while (sides.length <= last) {
      const previous = sides[sides.length - 1];
      if (recipe.name === "ssd300-vgg16") sides.push(sides.length < 4 ? Math.ceil(previous / 2) : previous - 2);
      else sides.push(sides.length < last ? Math.ceil(previous / 2) : previous - 1);
    }
    return sides;
  }

  function add(tag, attributes, text = "") {
    const made = document.createElementNS(svg.namespaceURI, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = text;
    svg.querySelector(".bars").append(made);
  }

  function offerLevels(recipe) {
    if (shown === recipe) return;
    shown = recipe;
    for (const label of levels.querySelectorAll("label")) label.remove();
    recipe.priors.forEach((_, level) => {
      const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: true, value: level });
      const label = document.createElement("label");
      label.append(box, document.createElement("span"));
      box.addEventListener("input", draw);
      levels.append(label);
    });
  }

  function draw() {
    const [name, side] = input.value.split("/");
    const recipe = data.recipes.find((one) => one.name === name);
    offerLevels(recipe);
    const sides = gridSides(recipe, Number(side));
    const chosen = [...levels.querySelectorAll("input")].map((box) => box.checked);
    const counts = sides.map((cells, level) => cells * cells * recipe.priors[level]);
    const kept = counts.map((count, level) => (chosen[level] ? count : 0));
    [...levels.querySelectorAll("span")].forEach((span, level) => {
      span.textContent = `${sides[level]} × ${sides[level]}`;
    });
    svg.querySelector(".bars").replaceChildren();
    const most = Math.max(...counts);
    kept.forEach((count, level) => {
      const y = 8 + level * 26;
      add("text", { x: 62, y: y + 14, "text-anchor": "end", fill: "currentColor" }, `${sides[level]}² · ${recipe.priors[level]}`);
      add("rect", { x: 70, y, width: Math.max((290 * count) / most, count ? 1 : 0), height: 18, fill: "#3b8edb" });
      add("text", { x: 76 + (290 * count) / most, y: y + 14, fill: "currentColor" }, number.format(count));
    });
    const total = kept.reduce((sum, count) => sum + count, 0);
    const finest = chosen.indexOf(true);
    live.show(figure, "total", number.format(total));
    const pixels = finest < 0 ? "" : (recipe.sizes[finest] * Number(side)).toFixed(0);
    live.show(figure, "smallest", pixels ? `The smallest square ones have ${pixels} × ${pixels} pixels.` : "");
    figure.dataset.sides = JSON.stringify(sides);
    figure.dataset.total = total;
  }

  for (const recipe of data.recipes) {
    for (const side of recipe.inputs) {
      input.append(new Option(`${side} × ${side}, levels of ${recipe.name}`, `${recipe.name}/${side}`));
    }
  }
  input.addEventListener("input", draw);
  draw();
});
