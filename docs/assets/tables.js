// A table that does not fit its column becomes a list of cards, each value with the name of its column.
// Widths in pixels, lengths in letters; a number may have an error or an interval.
const PHONE = 500, LONG = 60, NUMBER = /^[<>]?\s*[-+]?\d[\d.,\s±[\]+%-]*$/;
const names = (table) => [...(table.tHead?.rows[0]?.cells ?? [])].map((head) => head.textContent.trim());
const roles = { table: "table", thead: "rowgroup", tbody: "rowgroup", tr: "row", td: "cell" };
const tables = [...document.querySelectorAll(".md-typeset table:not([class])")];
for (const table of tables) {
  const columns = names(table);
  for (const row of table.tBodies[0]?.rows ?? []) {
    [...row.cells].forEach((cell, at) => {
      cell.dataset.name = columns[at] ?? "";
      if (NUMBER.test(cell.textContent.trim())) cell.dataset.number = "";
      const value = document.createElement("span");
      value.append(...cell.childNodes);
      if (value.hasChildNodes()) cell.append(value);
    });
  }
  for (const code of table.querySelectorAll("code")) {
    if (!code.children.length) code.replaceChildren(...code.textContent.split(/(?<=[._/])(?=[A-Za-z])/).flatMap((part, at) => (at ? [document.createElement("wbr"), part] : [part])));
  }
  // What is laid out otherwise is still read as a table.
  for (const [tag, role] of Object.entries(roles)) {
    for (const part of [table, ...table.querySelectorAll(tag)]) if (part.matches(tag)) part.setAttribute("role", role);
  }
}
const fit = () => {
  for (const table of tables) {
    table.removeAttribute("data-cards");
    table.dataset.whole = "";
    const room = table.closest(".md-typeset__scrollwrap") ?? table.parentElement;
    const content = document.querySelector(".md-content__inner");
    const width = content ? content.clientWidth : room.clientWidth;
    // Numbers stay on one line where there is room.
    if (table.scrollWidth > width + 1) table.removeAttribute("data-whole");
    // On a phone, a long text beside two other columns is a word or two wide.
    const cramped = width < PHONE && names(table).length > 2 && [...table.querySelectorAll("td")].some((cell) => cell.textContent.length > LONG);
    if (cramped || table.scrollWidth > width + 1) table.setAttribute("data-cards", "");
  }
};
addEventListener("resize", fit);
addEventListener("load", fit);
fit();
