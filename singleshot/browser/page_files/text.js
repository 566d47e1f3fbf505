// Numbers and words.
"use strict";

const UNKNOWN = "–";
const element = (id) => document.getElementById(id);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

const grouped = (count) => count.toLocaleString("en-US");
const plural = (count, word) => `${grouped(count)} ${word}${count === 1 ? "" : "s"}`;
const scoreText = (score) => score.toFixed(2);

// Milliseconds with as many digits as are worth reading; from a second on, seconds.
function milliseconds(value) {
  if (value === null || value === undefined) return UNKNOWN;
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

// At most two decimals, without zeros at the end: 24, 33.94.
const shortNumber = (value) => String(Math.round(value * 100) / 100);

// "a, b and c"
function joined(words) {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words[words.length - 1]}`;
}

// The name of a rule as it is typed at the command line: f1, precision=0.95, recall=0.9, fppi=0.1.
function ruleWords(rule) {
  const [quantity, limit] = rule.split("=");
  if (quantity === "f1" || quantity === "best_f1") return "Best F1";
  if (quantity === "fppi") return `≤ ${limit} false positives per image`;
  if (limit === undefined) return rule;
  return `${quantity[0].toUpperCase()}${quantity.slice(1)} ≥ ${limit}`;
}

// Make an element with attributes, properties and children in one call.
function make(tag, properties = {}, ...children) {
  const { data = {}, attributes = {}, ...rest } = properties;
  const made = Object.assign(document.createElement(tag), rest);
  Object.assign(made.dataset, data);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// Keep one child for each value; those that are there are updated, so that they keep the focus.
function matchChildren(parent, values, create, update) {
  while (parent.children.length > values.length) parent.lastElementChild.remove();
  for (const [index, value] of values.entries()) {
    if (index >= parent.children.length) parent.append(create(value, index));
    update(parent.children[index], value, index);
  }
}

// Arrow keys move the focus within a list whose items are one stop of the Tab key.
function moveWithArrows(list, selector) {
  list.addEventListener("keydown", (event) => {
    const items = all(selector, list);
    const at = items.indexOf(event.target);
    if (at < 0) return;
    const last = items.length - 1;
    const next = {
      ArrowDown: Math.min(at + 1, last), ArrowRight: Math.min(at + 1, last),
      ArrowUp: Math.max(at - 1, 0), ArrowLeft: Math.max(at - 1, 0), Home: 0, End: last,
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    items[next].focus();
  });
}

// The stop of the Tab key: the chosen item, else the first.
function setTabStop(items, chosen) {
  const stop = Math.max(chosen, 0);
  for (const [index, one] of items.entries()) one.tabIndex = index === stop ? 0 : -1;
}
