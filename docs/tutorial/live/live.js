// Shared by the interactive figures: finding them, dragging, numbers as Python prints them.
"use strict";

// A table that is wider than the page scrolls, which must be possible with the keyboard, too.
for (const event of ["load", "resize"]) {
  window.addEventListener(event, () => {
    for (const table of document.querySelectorAll(".md-typeset__scrollwrap")) {
      table.tabIndex = table.scrollWidth > table.clientWidth ? 0 : -1;
    }
  });
}

window.live = {
  /** Call `start(figure, data)` for each figure of this name. */
  figures(name, start) {
    for (const figure of document.querySelectorAll(`[data-live="${name}"]`)) {
      start(figure, JSON.parse(figure.dataset.data));
      figure.dataset.ready = "";
    }
  },

  /** Where a pointer is, in the units of an SVG. */
  point(svg, event) {
    return new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  },

  /**
   * Let an element of an SVG be dragged with a pointer, and moved with the arrow keys: by 1, with
   * Shift by 10. `move(dx, dy)` is called with the way in units of the SVG.
   */
  draggable(element, move) {
    const svg = element.ownerSVGElement;
    let last = null;
    element.addEventListener("pointerdown", (event) => {
      element.setPointerCapture(event.pointerId);
      element.focus({ preventScroll: true });
      last = live.point(svg, event);
      event.preventDefault();
    });
    element.addEventListener("pointermove", (event) => {
      if (last === null) return;
      const now = live.point(svg, event);
      move(now.x - last.x, now.y - last.y);
      last = now;
    });
    for (const end of ["pointerup", "pointercancel"]) {
      element.addEventListener(end, () => { last = null; });
    }
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    element.addEventListener("keydown", (event) => {
      const way = ways[event.key];
      if (!way) return;
      const far = event.shiftKey ? 10 : 1;
      move(far * way[0], far * way[1]);
      event.preventDefault();
    });
  },

  /** Set the text of the elements of a figure that have this `data-value`. */
  show(figure, name, text) {
    for (const element of figure.querySelectorAll(`[data-value="${name}"]`)) {
      element.textContent = text;
    }
  },
};
