// Check the answers of exercises on the page.
"use strict";

(() => {
  /** Read 0.625, .625, 5/8 or 8,732; NaN for anything else. */
  function readNumber(text) {
    const plain = text.trim().replace(/^[1-9]\d{0,2}(,\d{3})+$/, (number) => number.replaceAll(",", ""));
    const [above, below, ...more] = plain.split("/").map((part) => (part.trim() ? Number(part) : NaN));
    if (more.length) return NaN;
    return below === undefined ? above : above / below;
  }

  function check(exercise) {
    const { kind, answer, tolerance } = exercise.dataset;
    if (kind === "choice") {
      const chosen = exercise.querySelector("input:checked");
      if (!chosen) return ["", "Choose one first."];
      return chosen.value === answer ? ["right", "Right."] : ["wrong", "Not yet."];
    }
    const given = readNumber(exercise.querySelector("input").value);
    if (Number.isNaN(given)) return ["", "Write a number, such as 0.25 or 1/4."];
    const near = Math.abs(given - Number(answer)) <= Number(tolerance) + 1e-12;
    return near ? ["right", "Right."] : ["wrong", "Not yet."];
  }

  for (const exercise of document.querySelectorAll(".exercise")) {
    exercise.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      const [outcome, text] = check(exercise);
      exercise.dataset.outcome = outcome;
      exercise.querySelector("output").textContent = text;
    });
  }
})();
