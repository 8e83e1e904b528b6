// Links in all layers and specs: what they save, and which rows stayed files.
const savings = layers.flatMap((layer) => layer.savings.map((one) => ({ ...one, layer: layer.name })));
const unlinked = layers.flatMap((layer) => layer.unlinked.map((one) => ({ ...one, layer: layer.name })));
const failed = layers.filter((layer) => layer.error);
const unknownSizes = total((layer) => layer.unknown_sizes);
const numbersOnly = layers.filter((layer) => !layer.is_capture).length;

document.getElementById("about").textContent =
  `${counted(layers.length, "layer", "layers")}, by mtree-worker ${data.version}.` +
  (unknownSizes ? ` The sizes of ${count(unknownSizes)} files are unknown: neither in the spec nor on this disk.` : "") +
  (numbersOnly ? ` ${count(numbersOnly)} ${numbersOnly === 1 ? "is" : "are"} from report files, which have no rows and no archive sizes.` : "") +
  (failed.length ? ` ${count(failed.length)} failed: see the table of layers.` : "");
numbers(document.getElementById("numbers"), [
  ["rows", count(total((layer) => layer.report.rows))],
  ["links", count(total((layer) => layer.report.links))],
  ["directory links", count(total((layer) => layer.report.folder_links))],
  ["content saved", humanBytes(total((layer) => layer.report.bytes_saved ?? 0))],
  ["symlinks without a target in the archive", count(total((layer) => layer.report.left_for_want_of_a_target))],
  ["sources that do not exist", count(total((layer) => layer.report.unstaged))],
]);

const pictures = document.getElementById("pictures");
bars(pictures, "sizes", "Archive sizes",
  [["with links", "var(--links)"], ["what copies would add", "var(--saved)"]],
  layers.filter((layer) => layer.archive_with_copies > 0).map((layer) => ({
    name: layer.name,
    parts: [
      [layer.archive_with_links, "var(--links)", `${humanBytes(layer.archive_with_links)} with links`],
      [layer.archive_with_copies - layer.archive_with_links, "var(--saved)", `${humanBytes(layer.archive_with_copies - layer.archive_with_links)} more with copies`],
    ],
    label: `${humanBytes(layer.archive_with_links)} of ${humanBytes(layer.archive_with_copies)}`,
  })));
if (layers.some((layer) => layer.archive_with_copies > 0))
  pictures.append(element("p", {}, "An archive has a header of 512 bytes for each row, and whole blocks of content. A file with several hard links counts once for each, although bsdtar packs it once. Content saved is the sum of the sizes of all files that links replace, without headers and padding."));

pictures.append(element("h2", {}, "Where links save"),
  element("p", { id: "map-about" }), shape("svg", { id: "map", role: "img", "aria-label": "Where links save" }));

function drawMap(chosen) {
  const map = document.getElementById("map"), hasRows = layers.some((layer) => layer.is_capture);
  const sized = chosen.filter((one) => one.content_bytes > 0);
  const items = (sized.length ? sized.map((one) => ({ ...one, value: one.content_bytes }))
    : chosen.map((one) => ({ ...one, value: one.rows })))
    .sort((one, other) => other.value - one.value);
  const most = items.length > BOXES ? ` The largest ${count(BOXES)} of ${count(items.length)} are drawn.` : "";
  const words = !savings.length ? (hasRows ? "No row became a link." : "Report files do not name links. Captures do.")
    : !chosen.length ? "No link matches the filter."
    : (sized.length ? "By content saved: each box is a link in place of copies, coloured by directory."
    : "By rows, because sizes are unknown: each box is a link in place of copies, coloured by directory.") + most;
  document.getElementById("map-about").textContent = words;
  map.setAttribute("aria-label", `Where links save. ${words} The table Largest savings has the same in words.`);
  boxes(map, items.map((item) => ({
    value: item.value, hue: hueOf(item.path.split("/").slice(0, -1).join("/")),
    title: `${item.path} -> ${item.target}: ${humanBytes(item.content_bytes)}`,
    lines: [item.path, sized.length ? humanBytes(item.content_bytes) : counted(item.rows, "row", "rows")],
  })), TALL);
}

const STEPS = ["#2f62ad", "#2f7d5b", "#b7791f", "#8a4fa3", "#b04a4a", "#4a8fa3", "#7c7a2a", "#8a6d5a", "#6b7685"];
const steps = [...new Set(layers.flatMap((layer) => layer.steps.map(([name]) => name)))];
bars(pictures, "steps", "Time by step", steps.map((name, number) => [name, STEPS[number % STEPS.length]]),
  layers.filter((layer) => layer.steps.length).map((layer) => ({
    name: layer.name,
    parts: layer.steps.map(([name, time]) =>
      [time, STEPS[steps.indexOf(name) % STEPS.length], `${name}: ${milliseconds(time)}`]),
    label: milliseconds(layer.steps.reduce((all, [, time]) => all + time, 0)),
  })));
bars(pictures, "directories", "Directories listed and reused", [["listed", "var(--listed)"], ["reused", "var(--reused)"]],
  layers.map((layer) => ({
    name: layer.name,
    parts: [
      [layer.report.folders_listed, "var(--listed)", `${count(layer.report.folders_listed)} listed`],
      [layer.report.folders_reused, "var(--reused)", `${count(layer.report.folders_reused)} reused`],
    ],
    label: `${count(layer.report.folders_listed)} listed, ${count(layer.report.folders_reused)} reused`,
  })));

const orNone = (number) => number === null ? "" : count(number);
const hasSizes = (layer) => layer.is_capture && !layer.error;
const savingsTable = filtered("savings", "Largest savings", [
  { name: "Path", of: (row) => row.path },
  { name: "Link to", of: (row) => row.target },
  { name: "Rows", of: (row) => row.rows, ...NUMBER },
  { name: "Content saved", of: (row) => row.content_bytes, number: true, show: humanBytes },
  { name: "Layer", of: (row) => row.layer },
], savings);
filtered("unlinked", "Rows that stayed files, and why", [
  { name: "Path", of: (row) => row.path },
  { name: "Why", of: (row) => row.why },
  { name: "Rule", of: (row) => row.rule, ...NUMBER },
  { name: "Content", of: (row) => row.content_bytes, number: true, show: humanBytes },
  { name: "Layer", of: (row) => row.layer },
], unlinked);
filtered("layers", "Layers", [
  { name: "Layer", of: (row) => row.name },
  { name: "Rows", of: (row) => row.report.rows, ...NUMBER },
  { name: "Files", of: (row) => row.report.files, ...NUMBER },
  { name: "Links", of: (row) => row.report.links, ...NUMBER },
  { name: "Directory links", of: (row) => row.report.folder_links, ...NUMBER },
  { name: "Archive with copies", of: (row) => hasSizes(row) ? row.archive_with_copies : null, number: true, show: humanBytes },
  { name: "Archive with links", of: (row) => hasSizes(row) ? row.archive_with_links : null, number: true, show: humanBytes },
  { name: "Compressed", of: (row) => row.contents?.compressed ?? row.report.bytes_compressed ?? null, ...BYTES },
  { name: "Content saved", of: (row) => row.report.bytes_saved, number: true, show: humanBytes },
  { name: "Pieces made", of: (row) => row.contents?.pieces.made ?? row.report.frames_made ?? null, number: true, show: orNone },
  { name: "Pieces reused", of: (row) => row.contents?.pieces.reused ?? row.report.frames_reused ?? null, number: true, show: orNone },
  { name: "File", of: (row) => row.file },
  { name: "Error", of: (row) => row.error ?? "" },
], layers);

function filter() {
  const wanted = document.getElementById("filter").value.trim().toLowerCase();
  tables.forEach((draw, number) => {
    const chosen = draw(wanted);
    if (number === savingsTable) drawMap(chosen);
  });
}
document.getElementById("filter").addEventListener("input", filter);
function draw() {
  redraw.forEach((picture) => picture());
  filter();
}
let drawn = 0;
window.addEventListener("resize", () => {
  if (drawn !== wide()) draw();
  drawn = wide();
});
draw();
drawn = wide();
