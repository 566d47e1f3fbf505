// Sort tables of the class "sorted".
"use strict";

const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// A click sorts the best first, the next one reverses the order.

// The cell of a row in a column; cells may span several columns.
function cellAt(row, column) {
  let place = 0;
  for (const cell of row.cells) {
    if (place <= column && column < place + cell.colSpan) return cell;
    place += cell.colSpan;
  }
  return null;
}

function columnOf(head) {
  let place = 0;
  for (const cell of head.parentElement.cells) {
    if (cell === head) return place;
    place += cell.colSpan;
  }
  return -1;
}

// Unknown values come last in either order.
function compareCells(one, other, sign) {
  const [a, b] = [one.dataset.value, other.dataset.value];
  if (a === "" || b === "") return (a === "") - (b === "");
  const [x, y] = [Number(a), Number(b)];
  if (Number.isNaN(x) || Number.isNaN(y)) return sign * a.localeCompare(b, undefined, { numeric: true });
  return sign * (x - y);
}

function sortBy(head) {
  const table = head.closest("table");
  const before = head.getAttribute("aria-sort");
  const opposite = { ascending: "descending", descending: "ascending" };
  const order = before ? opposite[before] : head.dataset.first;
  all("th[aria-sort]", table).forEach((one) => one.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", order);
  const column = columnOf(head);
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const sign = order === "ascending" ? 1 : -1;
  rows.sort((a, b) => compareCells(cellAt(a, column), cellAt(b, column), sign));
  body.append(...rows);
}

for (const head of all("table.sorted th.sortable")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  button.addEventListener("click", () => sortBy(head));
  head.replaceChildren(button);
}
