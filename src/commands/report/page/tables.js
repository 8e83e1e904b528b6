// Tables: sorted by a click on a heading, filtered by the field above them.
const tables = [];
const NUMBER = { number: true, show: count };
const BYTES = { number: true, show: humanBytes };
const SIGNED = { number: true, show: signedBytes };

// Puts a table into `place`, and returns { draw, set }. Columns are { name, of, show, number, cell }.
function table(place, id, title, columns, rows, heading = "h2") {
  const body = element("tbody", {}), more = element("p", { role: "status" });
  const state = { sorted: null, down: false };
  const heads = columns.map((column, number) => {
    const button = element("button", { type: "button" }, column.name);
    const head = element("th", column.number ? { class: "n", scope: "col" } : { scope: "col" }, button);
    button.addEventListener("click", () => {
      state.down = state.sorted === number ? !state.down : !!column.number;
      state.sorted = number;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      draw();
    });
    return head;
  });
  let wanted = "";
  function draw() {
    let chosen = rows.filter((row) => !wanted ||
      columns.some((column) => !column.number && String(column.of(row)).toLowerCase().includes(wanted)));
    const column = columns[state.sorted];
    if (column) chosen = chosen.slice().sort((one, other) => {
      const [a, b] = [column.of(one) ?? -Infinity, column.of(other) ?? -Infinity];
      return (a < b ? -1 : a > b ? 1 : 0) * (state.down ? -1 : 1);
    });
    body.replaceChildren(...chosen.slice(0, SHOWN).map((row) => element("tr", {}, ...columns.map((column) =>
      element("td", column.number ? { class: "n" } : {},
        column.cell ? column.cell(row) : (column.show ?? String)(column.of(row)))))));
    more.textContent = `${count(chosen.length)} of ${count(rows.length)} rows` +
      (chosen.length > SHOWN ? `, the first ${count(SHOWN)} are shown` : "");
    return chosen;
  }
  // It scrolls, so it can have the focus: the arrow keys scroll it.
  const scroll = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title },
    element("table", { id, "aria-label": title }, element("thead", {}, element("tr", {}, ...heads)), body));
  place.append(element(heading, {}, title), more, scroll);
  return {
    filter: (text) => { wanted = text; return draw(); },
    set: (others) => { rows = others; return draw(); },
  };
}
// A table that the field above filters.
function filtered(...of) {
  const made = table(document.getElementById("tables"), ...of);
  tables.push(made.filter);
  return tables.length - 1;
}
