// Lesson 10: which priors of a cell, and of a grid, match an object.
"use strict";

live.figures("priors", (figure, data) => {
  const [height, width] = data.input;
  const svg = figure.querySelector("svg");
  const object = svg.querySelector(".object");
  const field = (name) => figure.querySelector(`[name="${name}"]`);
  let box = [];

  function shape(tag, attributes, parent) {
    const made = document.createElementNS(svg.namespaceURI, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    parent.append(made);
  }

  function iou(a, b) {
    const across = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
    const down = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
    const shared = Math.max(across, 0) * Math.max(down, 0);
    const area = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);
    return shared / (area(a) + area(b) - shared);
  }

  /** The priors of a cell, in the order of the network's outputs. */
  function cellPriors(grid, row, column) {
    const x = ((column + 0.5) * width) / grid.side;
    const y = ((row + 0.5) * height) / grid.side;
    return grid.shapes.map(([w, h]) => [x - w / 2, y - h / 2, x + w / 2, y + h / 2]);
  }

  function gridPriors(grid) {
    const cells = [...Array(grid.side * grid.side).keys()];
    return cells.flatMap((cell) => cellPriors(grid, Math.floor(cell / grid.side), cell % grid.side));
  }

  /** The priors that match the object, grid by grid: all from the threshold on, else the best. */
  function findMatches() {
    const overlaps = data.grids.map((grid) => gridPriors(grid).map((prior) => iou(prior, box)));
    const best = Math.max(...overlaps.flat());
    const least = Math.min(best - data.tie, data.threshold);
    let forced = best < data.threshold;
    return overlaps.map((values) => {
      const found = [];
      values.forEach((value, prior) => {
        if (value < least || (best < data.threshold && !forced)) return;
        found.push([prior, value]);
        if (forced) forced = false;
      });
      return found;
    });
  }

  function outline(prior, colour, group, dashed = false) {
    const [x1, y1, x2, y2] = prior;
    const place = { x: x1, y: y1, width: x2 - x1, height: y2 - y1, fill: "none" };
    shape("rect", { ...place, stroke: "#000", "stroke-width": 4, opacity: 0.4 }, group);
    const dash = dashed ? { "stroke-dasharray": "7 4" } : {};
    shape("rect", { ...place, stroke: colour, "stroke-width": 2, ...dash }, group);
  }

  function drawGrid(grid, group) {
    const line = { stroke: "#fff", opacity: 0.75 };
    for (let index = 1; index < grid.side; index += 1) {
      const x = (index * width) / grid.side;
      const y = (index * height) / grid.side;
      shape("line", { x1: x, x2: x, y1: 0, y2: height, ...line }, group);
      shape("line", { x1: 0, x2: width, y1: y, y2: y, ...line }, group);
    }
  }

  function fillTable(grid, priors) {
    const row = (prior, index) => {
      const value = iou(prior, box);
      const [w, h] = grid.shapes[index];
      const match = value >= data.threshold ? "yes" : "no";
      const cells = [data.kinds[index], `${w.toFixed(0)} × ${h.toFixed(0)}`, value.toFixed(2), match];
      const line = document.createElement("tr");
      line.append(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
      return line;
    };
    figure.querySelector('[data-rows="cell"]').replaceChildren(...priors.map(row));
  }

  function draw() {
    const chosen = Number(field("grid").value);
    const grid = data.grids[chosen];
    for (const name of ["row", "column"]) field(name).max = grid.side;
    const [row, column] = [Number(field("row").value) - 1, Number(field("column").value) - 1];
    const groups = ["grid", "matches", "cell"].map((name) => svg.querySelector(`.${name}`));
    for (const group of groups) group.replaceChildren();
    drawGrid(grid, groups[0]);
    const found = findMatches();
    const all = gridPriors(grid);
    const forced = found.flat().every(([, value]) => value < data.threshold);
    for (const [prior] of found[chosen]) outline(all[prior], "#7dff9c", groups[1], forced);
    const priors = cellPriors(grid, row, column);
    for (const prior of priors) outline(prior, "#ffd23f", groups[2]);
    fillTable(grid, priors);
    const [x1, y1, x2, y2] = box;
    for (const [name, value] of Object.entries({ x: x1, y: y1, width: x2 - x1, height: y2 - y1 })) {
      object.setAttribute(name, value);
    }
    const best = Math.max(...found.flat().map(([, value]) => value));
    const counts = data.grids.map(({ side }, index) => `${found[index].length} on ${side} × ${side} cells`);
    const rule = forced ? "by rule 1 alone" : "with an IoU of 0.5 or more";
    live.show(figure, "summary", `Matches (green), ${rule}: ${counts.join(", ")}. Best IoU: ${best.toFixed(2)}.`);
    figure.dataset.matches = JSON.stringify(found.map((one) => one.map(([prior]) => prior)));
  }

  data.objects.forEach(({ name }, index) => field("object").append(new Option(name, index)));
  data.grids.forEach(({ side }, index) => field("grid").append(new Option(`${side} × ${side}`, index)));
  field("object").value = data.first;
  field("object").addEventListener("input", () => {
    box = [...data.objects[field("object").value].box];
    draw();
  });
  for (const name of ["grid", "row", "column"]) field(name).addEventListener("input", draw);
  live.draggable(object, (dx, dy) => {
    const x = Math.min(Math.max(box[0] + dx, 0), width - (box[2] - box[0]));
    const y = Math.min(Math.max(box[1] + dy, 0), height - (box[3] - box[1]));
    box = [x, y, x + box[2] - box[0], y + box[3] - box[1]];
    draw();
  });
  box = [...data.objects[data.first].box];
  draw();
});
