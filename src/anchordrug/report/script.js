"use strict";
// Tabs, by the pattern of the WAI-ARIA Authoring Practices: arrow keys move, only one is in the tab order.
for (const list of document.querySelectorAll("[role=tablist]")) {
  const tabs = [...list.querySelectorAll("[role=tab]")];
  const panel = (tab) => document.getElementById(tab.getAttribute("aria-controls"));
  const select = (chosen) => {
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      panel(tab).hidden = tab !== chosen;
    }
  };
  const steps = { ArrowRight: 1, ArrowLeft: -1 };
  list.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) { select(tab); reach(); }
  });
  list.addEventListener("keydown", (event) => {
    const place = tabs.indexOf(document.activeElement);
    let next = null;
    if (event.key in steps) next = tabs[(place + steps[event.key] + tabs.length) % tabs.length];
    if (event.key === "Home") next = tabs[0];
    if (event.key === "End") next = tabs[tabs.length - 1];
    if (!next) return;
    event.preventDefault();
    select(next);
    reach();
    next.focus();
  });
  list.hidden = false;
  select(tabs[0]);
}

// On a phone, the rows of a table that does not fit are cards, each value with the name of its column.
const phone = matchMedia("(max-width: 44rem)");
const fit = (table) => {
  table.removeAttribute("data-cards");
  if (!phone.matches || table.scrollWidth <= table.parentElement.clientWidth) return;
  const names = [...table.tHead.rows[0].cells].map((head) => head.textContent);
  const roles = [[table, "table"], [table.tHead, "rowgroup"], [table.tBodies[0], "rowgroup"]];
  for (const [part, role] of roles) part.setAttribute("role", role);
  for (const row of table.rows) row.setAttribute("role", "row");
  for (const head of table.tHead.rows[0].cells) head.setAttribute("role", "columnheader");
  for (const row of table.tBodies[0].rows) {
    [...row.cells].forEach((cell, at) => { cell.dataset.name = names[at]; cell.setAttribute("role", "cell"); });
  }
  table.dataset.cards = "";
};

// What scrolls sideways can be scrolled with the keyboard.
const reach = () => {
  document.querySelectorAll(".wide > table:not([aria-label])").forEach(fit);
  for (const box of document.querySelectorAll(".wide:not(.tall)")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
};
addEventListener("resize", reach);
reach();

// Tables that sort by a click on a column's name.
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const number = head.classList.contains("number");
      const key = (row) => {
        const text = row.cells[column].textContent;
        if (!number) return text;
        const value = parseFloat(text);
        return Number.isNaN(value) ? -Infinity : value;
      };
      const order = (a, b) => (number ? key(a) - key(b) : key(a).localeCompare(key(b)));
      const rows = [...table.tBodies[0].rows].sort((a, b) => (down ? order(b, a) : order(a, b)));
      table.tBodies[0].append(...rows);
    });
  });
}

// Search fields that keep the rows whose text holds what is typed.
for (const field of document.querySelectorAll("input[data-filters]")) {
  const table = document.getElementById(field.dataset.filters);
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    for (const row of table.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
  field.closest("label").hidden = false;
}
