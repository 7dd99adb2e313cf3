"use strict";
// Tables whose rows are data of the page: searched, sorted, and shown a page at a time. All texts stay texts.
{
  const PAGE = matchMedia("(max-width: 44rem)").matches ? 10 : 25;
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children.filter((child) => child !== "" && child !== null && child !== undefined));
    return element;
  };
  const drawings = document.getElementById("drawings") ? read("drawings") : [];
  const drawn = (place) => {
    if (place === null) return make("span", { class: "quiet" }, "not drawn");
    const svg = new DOMParser().parseFromString(drawings[place], "image/svg+xml").documentElement;
    svg.setAttribute("aria-hidden", "true"); // the name of the drug is beside it
    return document.importNode(svg, true);
  };
  const signed = (value) => (value > 0 ? "+" : "") + value.toFixed(1);
  // How a cell of each kind is shown, sorted, and searched; kinds that are numbers have so many decimals.
  const kinds = {
    structure: { show: drawn },
    drug: {
      show: ([name, id, moa]) => make("div", {}, make("strong", {}, name), id ? make("small", {}, id) : "", moa ? make("small", {}, moa.replaceAll("|", ", ")) : ""),
      key: (cell) => cell[0].toLowerCase(),
      text: (cell) => cell.join(" "),
    },
    text: { show: (cell) => ((cell ?? "-").length > 30 ? make("small", {}, cell) : cell ?? "-"), key: (cell) => (cell ?? "").toLowerCase(), text: (cell) => cell ?? "" },
    near: {
      show: ([similarity, name, lines]) => make("div", {}, similarity.toFixed(2), make("small", {}, name === null ? (lines ? `itself, in ${lines} other cell line${lines > 1 ? "s" : ""}` : "itself") : name)),
      key: (cell) => cell[0] + cell[2] / 1e6,
      text: (cell) => cell[1] ?? "",
    },
    genes: {
      show: ([count, ...named], table) => {
        const told = [];
        for (let at = 0; at < named.length; at += 2) told.push(`${table.genes[named[at]]} ${signed(named[at + 1])}`);
        return make("div", {}, make("b", {}, String(count)), told.length ? make("small", {}, told.join(", ")) : "");
      },
      key: (cell) => cell[0],
      text: (cell, table) => cell.filter((_, at) => at % 2).map((gene) => table.genes[gene]).join(" "),
    },
  };
  const number = (decimals) => ({
    show: (cell) => (cell === null ? "-" : cell.toFixed(decimals)),
    key: (cell) => cell ?? -Infinity,
    number: true,
  });

  const paged = (box) => {
    const table = read(box.dataset.paged);
    const columns = table.columns.map(([name, kind]) => ({ name, ...(kinds[kind] ?? number(kind)), kind }));
    const all = table.rows.map((cells, place) => ({ cells, place, text: null }));
    const state = { page: 0, sort: null, down: true, wanted: "", choice: "" };
    let found = all;
    const heads = columns.map(({ name, key, number }, column) => {
      const head = make("th", { scope: "col", role: "columnheader", ...(number ? { class: "number" } : {}) });
      if (!key) { head.append(name); return head; }
      const button = make("button", { type: "button" }, name);
      button.addEventListener("click", () => sort(column, state.sort === column ? !state.down : true));
      head.append(button);
      return head;
    });
    const body = make("tbody", { role: "rowgroup" });
    const status = make("span", { role: "status" });
    const back = make("button", { type: "button" }, "Previous");
    const next = make("button", { type: "button" }, "Next");
    const caption = box.dataset.caption;
    const search = make("input", { type: "search" });
    const tools = make("div", { class: "tools" }, make("label", {}, "Find a drug, mechanism or gene ", search));

    const choice = (title, options, chosen) => {
      const select = make("select", {}, ...options.map(([value, text]) => make("option", { value }, text)));
      select.addEventListener("change", () => chosen(select.value));
      tools.append(make("label", {}, `${title} `, select));
      return select;
    };
    const show = () => {
      const pages = Math.max(1, Math.ceil(found.length / PAGE));
      state.page = Math.min(state.page, pages - 1);
      const first = state.page * PAGE;
      const rows = found.slice(first, first + PAGE);
      body.replaceChildren(...rows.map(({ cells }) => make("tr", { role: "row" }, ...columns.map((column, at) =>
        make("td", { role: "cell", class: column.number ? "number" : column.kind, "data-name": column.name }, column.show(cells[at], table))))));
      const of = found.length === all.length ? "" : ` found, of ${all.length.toLocaleString("en")}`;
      status.textContent = rows.length ? `${first + 1} to ${first + rows.length} of ${found.length.toLocaleString("en")}${of}` : "Nothing found";
      back.disabled = state.page === 0;
      next.disabled = state.page >= pages - 1;
    };
    const find = () => {
      const filtered = columns.findIndex(({ name }) => name === table.filtered);
      found = all.filter((row) => {
        if (state.choice && row.cells[filtered] !== state.choice) return false;
        if (!state.wanted) return true;
        row.text ??= columns.map(({ text }, at) => (text ? text(row.cells[at], table) : "")).join("\n").toLowerCase();
        return row.text.includes(state.wanted);
      });
      if (state.sort !== null) {
        const { key } = columns[state.sort];
        const sign = state.down ? -1 : 1;
        const keyed = found.map((row) => [key(row.cells[state.sort]), row]);
        keyed.sort(([a, one], [b, other]) => (a < b ? -sign : a > b ? sign : one.place - other.place));
        found = keyed.map(([, row]) => row);
      }
      state.page = 0;
      show();
    };
    const sort = (column, down) => {
      Object.assign(state, { sort: column, down });
      for (const head of heads) head.removeAttribute("aria-sort");
      if (column !== null) heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
      order.value = column === null ? "" : `${column} ${down}`;
      find();
    };
    if (table.filtered) choice(`Show ${table.filtered}`, [["", "all"], ...table.choices.map((text) => [text, text])], (value) => { state.choice = value; find(); });
    const orders = columns.flatMap(({ name, key, number, kind }, at) => {
      if (!key) return [];
      const words = kind === "drug" || kind === "text" ? ["Z to A", "A to Z"] : ["largest first", "smallest first"];
      return [[`${at} true`, `${name}, ${words[0]}`], [`${at} false`, `${name}, ${words[1]}`]];
    });
    const order = choice("Sort by", [["", "as listed"], ...orders], (value) => {
      const [column, down] = value.split(" ");
      sort(value ? Number(column) : null, down === "true");
    });
    search.addEventListener("input", () => { state.wanted = search.value.trim().toLowerCase(); find(); });
    back.addEventListener("click", () => { state.page -= 1; show(); });
    next.addEventListener("click", () => { state.page += 1; show(); });
    box.append(
      tools,
      make("div", { class: "wide" }, make("table", { role: "table", "aria-label": caption },
        make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...heads)), body)),
      make("nav", { class: "pages", "aria-label": `Pages of ${caption}` }, back, status, next),
    );
    show();
  };
  document.querySelectorAll("[data-paged]").forEach(paged);
}
