"use strict";
// What the other scripts use: elements, numbers in words, pictures.
const data = JSON.parse(document.getElementById("data").textContent);
const layers = data.layers;
const SHOWN = 1000;
const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
function shape(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
function humanBytes(bytes) {
  if (bytes === null || bytes === undefined) return "unknown";
  for (const [unit, size, places] of [["GB", 1e9, 3], ["MB", 1e6, 1], ["kB", 1e3, 1]])
    if (bytes >= size) return (bytes / size).toFixed(places) + " " + unit;
  return bytes + " B";
}
const signedBytes = (bytes) => (bytes > 0 ? "+" : bytes < 0 ? "\u2212" : "") + humanBytes(Math.abs(bytes));
const count = (number) => number.toLocaleString("en-US");
const counted = (number, one, more) => `${count(number)} ${number === 1 ? one : more}`;
const milliseconds = (time) => time.toFixed(time < 10 ? 2 : 0) + " ms";
const duration = (time) => time < 1000 ? milliseconds(time) : (time / 1000).toFixed(time < 10000 ? 2 : 1) + " s";
const percent = (part, whole) => whole ? (part / whole * 100).toFixed(1) + " %" : "";
const total = (of) => layers.reduce((all, layer) => all + of(layer), 0);
// Layers with the same name get a number. The table of layers names the file of each.
const named = new Map();
for (const layer of layers) named.set(layer.name, [...(named.get(layer.name) ?? []), layer]);
for (const [name, same] of named)
  if (same.length > 1) same.forEach((layer, number) => { layer.name = `${name} #${number + 1}`; });

// Pictures are as wide as the window: scaled text would be too small. Each is drawn again when that changes.
const BAR = 26;
const sections = document.getElementById("sections");
const wide = () => Math.max(sections.clientWidth, 280);
const redraw = [];

function legend(items) {
  return element("ul", { class: "legend" }, ...items.map(([name, colour]) =>
    element("li", {}, element("i", { style: `background:${colour}` }), name)));
}
// Stacked bars. Rows are { name, parts: [[value, colour, title]], label }. The whole of a name is above its bar.
function bars(place, id, title, items, rows) {
  if (!rows.length) return;
  const most = Math.max(...rows.map((row) => row.parts.reduce((all, [value]) => all + value, 0)), 1e-9);
  const words = rows.map((row) => `${row.name}: ${row.label} (${row.parts.map(([, , words]) => words).join(", ")})`).join("; ");
  const svg = shape("svg", { id, role: "img", "aria-label": `${title}. ${words}` });
  place.append(element("h2", {}, title), legend(items), svg);
  redraw.push(() => drawBars(svg, rows, most));
}
function drawBars(svg, rows, most) {
  const width = wide(), letters = Math.floor(width / 7.5);
  let y = 0;
  svg.replaceChildren();
  for (const row of rows) {
    const words = `${row.name}: ${row.label}`;
    for (let at = 0; at < words.length; at += letters) {
      svg.append(shape("text", { x: 0, y: y + 15 }, words.slice(at, at + letters)));
      y += 17;
    }
    let x = 0;
    for (const [value, colour, title] of row.parts) {
      const part = Math.max(value / most * width, 0);
      svg.append(shape("rect", { x, y: y + 3, width: part, height: BAR - 10, fill: colour, rx: 2 },
        shape("title", {}, title)));
      x += part;
    }
    y += BAR;
  }
  svg.setAttribute("width", width);
  svg.setAttribute("height", y);
}

// Halves a list of values until each part has one.
function treemap(items, x, y, width, height, put) {
  if (!items.length) return;
  if (items.length === 1) return put(items[0], x, y, width, height);
  const all = items.reduce((all, item) => all + item.value, 0);
  let half = 0, at = 0;
  while (at < items.length - 1 && (at === 0 || half + items[at].value / 2 < all / 2)) half += items[at++].value;
  const part = all ? half / all : .5;
  if (width > height) {
    treemap(items.slice(0, at), x, y, width * part, height, put);
    treemap(items.slice(at), x + width * part, y, width * (1 - part), height, put);
  } else {
    treemap(items.slice(0, at), x, y, width, height * part, put);
    treemap(items.slice(at), x, y + height * part, width, height * (1 - part), put);
  }
}
const BOXES = 400, TALL = 320;
// A hue for a name. White text on it has enough contrast in every hue.
function hueOf(name) {
  let hue = 0;
  for (const letter of name) hue = (hue * 31 + letter.codePointAt(0)) % 360;
  return hue;
}
// Boxes of items { name, value, lines, title, hue, open }. Those with `open` can be clicked; a button in the table beside
// does the same.
function boxes(svg, items, tall) {
  svg.replaceChildren();
  svg.setAttribute("width", wide());
  svg.setAttribute("height", items.length ? tall : 0);
  treemap(items.slice(0, BOXES), 0, 0, wide(), tall, (item, x, y, width, height) => {
    const box = shape("g", item.open ? { class: "open" } : {}, shape("title", {}, item.title),
      shape("rect", { x: x + .5, y: y + .5, width: Math.max(width - 1, .5), height: Math.max(height - 1, .5),
        fill: `hsl(${item.hue} 40% 30%)`, rx: 2 }));
    // All of a line or nothing: a name that is cut off is another name.
    const room = Math.max(Math.floor((width - 10) / 7.3), 0);
    let down = y + 15;
    for (const line of item.lines) {
      const pieces = room > 4 ? Array.from({ length: Math.ceil(line.length / room) }, (_, at) => line.slice(at * room, (at + 1) * room)) : [];
      if (!pieces.length || down + 15 * (pieces.length - 1) > y + height - 4) break;
      for (const piece of pieces) {
        box.append(shape("text", { x: x + 5, y: down, class: "in-box" }, piece));
        down += 15;
      }
    }
    if (item.open) box.addEventListener("click", item.open);
    svg.append(box);
    if (!item.inner?.length || width < 60 || down + 30 > y + height) return;
    treemap(item.inner.slice(0, BOXES), x + 4, down - 6, width - 8, y + height - down + 2, (inner, x, y, width, height) => {
      const box = shape("g", { class: "open inner" }, shape("title", {}, inner.title),
        shape("rect", { x: x + .5, y: y + .5, width: Math.max(width - 1, .5), height: Math.max(height - 1, .5),
          fill: `hsl(${item.hue} 40% 22%)`, rx: 2 }));
      if (inner.name.length <= (width - 10) / 7.3 && height > 19)
        box.append(shape("text", { x: x + 5, y: y + 15, class: "in-box" }, inner.name));
      box.addEventListener("click", item.open);
      svg.append(box);
    });
  });
}
