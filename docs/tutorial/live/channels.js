// Lesson 12: which prior, and which of its numbers, an output channel holds.
"use strict";

live.figures("channels", (figure, data) => {
  const svg = figure.querySelector("svg");
  const strip = figure.querySelector(".strip");
  const field = (name) => figure.querySelector(`[name="${name}"]`);
  const [height, width] = data.size;

  function add(group, tag, attributes) {
    const made = document.createElementNS(svg.namespaceURI, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    svg.querySelector(`.${group}`).append(made);
  }

  function meaning(channel, values) {
    const prior = Math.floor(channel / values.length);
    return { prior, value: channel % values.length };
  }

  function drawPriors(level, chosen) {
    for (const group of ["grid", "priors"]) svg.querySelector(`.${group}`).replaceChildren();
    const { side } = level;
    for (let index = 1; index < side; index += 1) {
      const [x, y] = [(index * width) / side, (index * height) / side];
      add("grid", "line", { x1: x, x2: x, y1: 0, y2: height, stroke: "#fff", opacity: 0.5 });
      add("grid", "line", { x1: 0, x2: width, y1: y, y2: y, stroke: "#fff", opacity: 0.5 });
    }
    const middle = (Math.floor(side / 2) + 0.5) / side;
    const order = [...level.shapes.keys()].sort((a, b) => (a === chosen) - (b === chosen));
    for (const index of order) {
      const [w, h] = level.shapes[index];
      const place = { x: (middle - w / 2) * width, y: (middle - h / 2) * height, width: w * width, height: h * height, fill: "none" };
      add("priors", "rect", { ...place, stroke: "#000", "stroke-width": index === chosen ? 6 : 2, opacity: 0.6 });
      add("priors", "rect", { ...place, stroke: index === chosen ? "#ffd23f" : "#fff", "stroke-width": index === chosen ? 3 : 1 });
    }
  }

  /** One button for each channel, a row for each prior. */
  function drawStrip(count, values, chosen) {
    if (strip.childElementCount !== count) {
      strip.replaceChildren(
        ...[...Array(count).keys()].map((channel) => {
          const button = Object.assign(document.createElement("button"), { type: "button", textContent: channel, tabIndex: -1 });
          button.addEventListener("click", () => { field("channel").value = channel; draw(); });
          return button;
        }),
      );
      strip.style.setProperty("--columns", values.length);
    }
    [...strip.children].forEach((button, channel) => {
      button.setAttribute("aria-pressed", channel === chosen);
      button.classList.toggle("same", meaning(channel, values).prior === meaning(chosen, values).prior);
    });
  }

  function draw() {
    const level = data.levels[field("level").value];
    const values = field("head").value === "classes" ? data.classes : data.numbers;
    const count = level.shapes.length * values.length;
    field("channel").max = count - 1;
    const channel = Number(field("channel").value);
    const { prior, value } = meaning(channel, values);
    drawPriors(level, prior);
    drawStrip(count, values, channel);
    const kind = field("head").value === "classes" ? `class ${value}, ${values[value]}` : values[value];
    const text = `Channel ${channel} of ${count}: prior ${prior} (${data.kinds[prior]}), ${kind}.`;
    live.show(figure, "meaning", text);
  }

  data.levels.forEach(({ name, side }, index) => {
    field("level").append(new Option(`${name}, ${side} × ${side}`, index));
  });
  for (const name of ["level", "head", "channel"]) field(name).addEventListener("input", draw);
  draw();
});
