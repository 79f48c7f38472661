"use strict";
// Sorts a table by the column whose header is pressed, says what a column means, and opens the run that a
// link leads to.

function keyOf(cell) {
  const text = (cell.dataset.value ?? cell.textContent).trim();
  const number = Number.parseFloat(text.replaceAll(",", ""));
  return { text, number, missing: text === "" || text === "-" };
}

// Numbers among themselves, then names; what is missing stays last in either direction.
function compare(a, b, direction) {
  if (a.missing || b.missing) return a.missing - b.missing;
  const words = Number.isNaN(a.number) - Number.isNaN(b.number);
  if (words !== 0) return words;
  const order = Number.isNaN(a.number) ? (a.text < b.text ? -1 : a.text > b.text ? 1 : 0) : a.number - b.number;
  return direction * order;
}

function sortBy(header) {
  const table = header.closest("table");
  const body = table.tBodies[0];
  const column = header.cellIndex;
  const rows = [...body.rows].map((row) => ({ row, key: keyOf(row.cells[column]) }));
  const numeric = rows.some(({ key }) => !key.missing && !Number.isNaN(key.number));
  const before = header.getAttribute("aria-sort");
  // Numbers are looked at from the highest down, names from A.
  const first = numeric ? "descending" : "ascending";
  const second = numeric ? "ascending" : "descending";
  const next = before === first ? second : first;
  rows.sort((a, b) => compare(a.key, b.key, next === "ascending" ? 1 : -1));
  for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", next);
  body.append(...rows.map(({ row }) => row));
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
    target.querySelector("summary").focus({ preventScroll: true });
  }
}

// Whatever is wider than its box says so; in a closed part it is measured when that opens.
function tellWhatScrolls() {
  for (const box of document.querySelectorAll(".scroll")) {
    const figure = box.closest("figure");
    const words = figure ? figure.querySelector(".turn") : box.previousElementSibling;
    if (words?.classList.contains("turn")) words.hidden = box.scrollWidth <= box.clientWidth + 1;
  }
}

const tip = document.getElementById("tip");

let explained = null;

// Below its header, moved left where it would leave the window.
function placeTip() {
  tip.hidden = explained === null;
  if (explained === null) return;
  tip.textContent = explained.dataset.tip;
  const box = explained.getBoundingClientRect();
  const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
  tip.style.left = `${Math.max(8, Math.min(box.left, room))}px`;
  tip.style.top = `${box.bottom + 6}px`;
}

function explain(button) {
  explained = button;
  placeTip();
}

for (const button of document.querySelectorAll("[data-tip]")) {
  for (const kind of ["focus", "mouseenter"]) button.addEventListener(kind, () => explain(button));
  for (const kind of ["blur", "mouseleave"]) button.addEventListener(kind, () => explain(null));
}
window.addEventListener("scroll", placeTip, true);
window.addEventListener("keydown", (event) => event.key === "Escape" && explain(null));
for (const button of document.querySelectorAll("table.sortable th button")) {
  button.addEventListener("click", () => sortBy(button.parentElement));
}
window.addEventListener("hashchange", openTarget);
window.addEventListener("resize", tellWhatScrolls);
window.addEventListener("load", tellWhatScrolls);
document.addEventListener("toggle", tellWhatScrolls, true);
tellWhatScrolls();
openTarget();
