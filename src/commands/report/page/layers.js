// Layers: what is in one of them, and what is stored more than once in all.
const written = layers.filter((layer) => layer.contents);
const layerPart = document.getElementById("layer-part");
const part = (id) => document.getElementById(id);

function numbers(place, pairs) {
  place.replaceChildren(...pairs.map(([name, value]) =>
    element("div", { class: "number" }, element("dt", {}, name), element("dd", {}, value))));
}
const timeOf = (layer) => new Date(layer.contents.began / 1000).toISOString().slice(0, 19).replace("T", " ") + " UTC";
const isCompressed = (layer) => layer.contents.codec !== "none";
const hasEstimate = (layer) => isCompressed(layer) && layer.contents.has_frames;

function showNumbers(layer) {
  const { tar, compressed, kinds, hard_links_saved, pieces } = layer.contents;
  const pairs = [[isCompressed(layer) ? "uncompressed" : "size; it is not compressed", humanBytes(tar)]];
  if (isCompressed(layer)) pairs.unshift([`compressed with ${layer.contents.codec}, ${percent(compressed, tar)} of uncompressed`, humanBytes(compressed)]);
  for (const [kind, many] of [["file", "files"], ["directory", "directories"], ["symlink", "symlinks"], ["hard link", "hard links"]])
    if (kinds[kind]) pairs.push([kinds[kind] === 1 ? kind : many, count(kinds[kind])]);
  pairs.push(["content that symlinks save", humanBytes(layer.report.bytes_saved ?? 0)],
    ["content that hard links save", humanBytes(hard_links_saved)]);
  if (pieces.made + pieces.reused) pairs.push(["pieces made, of all", `${count(pieces.made)} of ${count(pieces.made + pieces.reused)}`]);
  pairs.push(["time", duration(layer.steps.reduce((all, [, time]) => all + time, 0))]);
  numbers(part("layer-numbers"), pairs);
}

// What changed since the build before.
function sizeColumns(layer) {
  const of = (kind, at) => (row) => row[kind][at];
  const columns = [
    { name: "Before", of: of("tar", 0), ...BYTES },
    { name: "Now", of: of("tar", 1), ...BYTES },
    { name: "Difference", of: (row) => row.tar[1] - row.tar[0], ...SIGNED },
  ];
  if (hasEstimate(layer)) columns.push({ name: "Compressed, estimated difference",
    of: (row) => row.compressed[1] - row.compressed[0], ...SIGNED });
  return columns;
}
function showChanges(layer) {
  const { changes, before } = layer.contents, place = part("changes");
  place.replaceChildren();
  place.hidden = !changes;
  if (!changes) return;
  const old = layers[before], sizes = (of) => of.map(humanBytes).join(" before, ") + " now";
  place.append(element("h2", {}, "What changed since the build before"),
    element("p", {}, `The build before is in ${old.file}, of ${timeOf(old)}. Its entries take ${sizes(changes.tar)}` +
      (hasEstimate(layer) && hasEstimate(old) ? `; compressed, ${sizes([old.contents.compressed, layer.contents.compressed])}.` : ".") +
      ` The request took ${[old, layer].map((one) => duration(one.steps.reduce((all, [, time]) => all + time, 0))).join(" before, ")} now.`));
  if (changes.written_again) place.append(element("p", {}, `${counted(changes.written_again, "file was", "files were")} written again between the builds. Their digests are not recorded: their contents may be the same.`));
  if (changes.not_compared) place.append(element("p", {}, `The contents of ${counted(changes.not_compared, "file", "files")} cannot be compared: the captures do not have the same kind of digest for them.`));
  const columns = sizeColumns(layer);
  table(place, "changed-directories", "Directories that grew or shrank", [
    { name: "Directory", of: (row) => row.name }, ...columns], changes.directories, "h3").set(changes.directories);
  table(place, "changed-packages", "Packages that grew or shrank", [
    { name: "Package", of: (row) => row.name }, { name: "Kind", of: (row) => row.kind }, ...columns], changes.packages, "h3").set(changes.packages);
  const all = changes.added + changes.removed + changes.changed;
  if (all > changes.entries.length) place.append(element("p", {}, `The ${count(changes.entries.length)} largest changes of ${count(all)} are listed. mtree-worker diff lists all.`));
  table(place, "changed-entries", "Entries that are new, removed or changed", [
    { name: "Path", of: (row) => row.path }, { name: "What", of: (row) => row.what }, ...columns], changes.entries, "h3").set(changes.entries);
}

// Where the bytes are: a treemap and a table of one directory.
const where = { layer: null, at: 0, by: "tar", children: [], table: null };
function childrenOf(tree) {
  const children = tree.map(() => []);
  tree.forEach((node, number) => { if (number) children[node.parent].push(number); });
  return children;
}
function pathTo(number) {
  const way = [];
  for (; number; number = where.layer.contents.tree[number].parent) way.unshift(number);
  return way;
}
function showWhere(layer) {
  Object.assign(where, { layer, at: 0, children: childrenOf(layer.contents.tree) });
  // A directory with nothing but one directory in it shows nothing.
  const only = () => where.children[where.at].length === 1 && layer.contents.tree[where.children[where.at][0]].is_directory;
  while (only()) where.at = where.children[where.at][0];
  const place = part("where");
  place.replaceChildren(element("h2", {}, "Where the bytes are"),
    element("p", {}, "Each box of the picture is a file or a directory; its area is its size, and the boxes in it are what is in it. The table below has the same in words. Open a directory with its button in the table, or with a click on its box."));
  if (!hasEstimate(layer)) where.by = "tar";
  if (isCompressed(layer) && !layer.contents.has_frames)
    place.append(element("p", {}, "What entries take after compression is unknown: this version of the program divides the layer into other pieces than the one that recorded it."));
  if (hasEstimate(layer)) place.append(element("fieldset", {}, element("legend", {}, "Sizes"),
    ...[["tar", "uncompressed"], ["compressed", "compressed, an estimate: each entry has its share of what it was compressed with"]].map(([by, words]) => {
      const radio = element("input", { type: "radio", name: "by", id: "by-" + by, value: by });
      radio.checked = where.by === by;
      radio.addEventListener("change", () => { where.by = by; drawWhere(); });
      return element("label", {}, radio, " " + words);
    })));
  place.append(element("nav", { "aria-label": "Directory that is shown" }, element("ol", { class: "way", id: "way" })),
    shape("svg", { id: "tree-map", role: "img" }));
  const rest = (row) => row.node === null;
  where.table = table(place, "tree", "Files and directories in it", [
    { name: "Name", of: (row) => row.name, cell: (row) => {
      if (rest(row) || !row.is_directory) return row.name;
      const button = element("button", { type: "button" }, row.name + "/");
      button.addEventListener("click", () => openDirectory(row.node));
      return button;
    } },
    { name: "Share", of: (row) => row[where.by], number: true, show: (bytes) => percent(bytes, layer.contents.tree[where.at][where.by]) },
    { name: "Uncompressed", of: (row) => row.tar, ...BYTES },
    ...(hasEstimate(layer) ? [{ name: "Compressed, an estimate", of: (row) => row.compressed, ...BYTES }] : []),
    { name: "Entries", of: (row) => row.entries, ...NUMBER },
  ], [], "h3");
  drawWhere();
}
function openDirectory(number) {
  where.at = number;
  drawWhere();
  // The button that was pressed is gone.
  part("way").lastElementChild.firstElementChild.focus();
}
function drawWhere() {
  const { layer, at, by } = where, { tree } = layer.contents, here = tree[at];
  const way = [0, ...pathTo(at)];
  part("way").replaceChildren(...way.map((number) => {
    const name = number ? tree[number].name : layer.name;
    const button = element("button", number === at ? { type: "button", "aria-current": "location" } : { type: "button" }, name);
    button.addEventListener("click", () => openDirectory(number));
    return element("li", {}, button);
  }));
  const rows = where.children[at].map((number) => ({ ...tree[number], node: number }));
  const rest = { name: rows.length ? "the directory itself, and smaller entries" : "the entry itself", node: null };
  for (const of of ["tar", "compressed", "entries"]) rest[of] = here[of] - rows.reduce((all, row) => all + row[of], 0);
  if (rest.tar > 0) rows.push(rest);
  rows.sort((one, other) => other[by] - one[by]);
  where.table.set(rows);
  const size = (row) => `${humanBytes(row[by])} (${percent(row[by], here[by])})`;
  const map = part("tree-map"), most = rows.slice(0, 5).map((row) => `${row.name} ${size(row)}`).join(", ");
  map.setAttribute("aria-label", `Treemap of ${way.slice(1).map((number) => tree[number].name).join("/") || layer.name}: ${most}. The table below has all.`);
  boxes(map, rows.filter((row) => row[by] > 0).map((row) => ({
    value: row[by], hue: row.node === null ? 210 : hueOf(row.name), title: `${row.name}: ${size(row)}`,
    lines: [row.name + (row.is_directory ? "/" : ""), humanBytes(row[by])],
    open: row.is_directory ? () => openDirectory(row.node) : null,
    inner: (row.node === null ? [] : where.children[row.node]).map((number) => tree[number]).filter((node) => node[by] > 0)
      .sort((one, other) => other[by] - one[by])
      .map((node) => ({ value: node[by], name: node.name, title: `${row.name}/${node.name}: ${size(node)}` })),
  })), TALL);
}

function showPackages(layer) {
  const { packages } = layer.contents, place = part("packages-part");
  place.replaceChildren();
  const is = { Python: "in site-packages", npm: "in node_modules", repository: "external repository" };
  table(place, "packages", "Packages", [
    { name: "Package", of: (row) => row.name },
    { name: "Kind", of: (row) => row.kind && `${row.kind}, ${is[row.kind]}` },
    { name: "Share", of: (row) => row.tar, number: true, show: (bytes) => percent(bytes, layer.contents.tar) },
    { name: "Uncompressed", of: (row) => row.tar, ...BYTES },
    ...(hasEstimate(layer) ? [{ name: "Compressed, an estimate", of: (row) => row.compressed, ...BYTES }] : []),
    { name: "Entries", of: (row) => row.entries, ...NUMBER },
  ], packages).set(packages);
}

// Which pieces were made and which reused. The colours are those of the reasons to make one.
const MADE_COLOURS = ["var(--made)", "#8a4fa3", "#b04a4a", "#7c7a2a", "#3f7f8f"];
function showPieces(layer) {
  const { pieces, changed } = layer.contents, place = part("pieces-part");
  place.replaceChildren(element("h2", {}, "Pieces made and reused"));
  if (!pieces.reasons.length) {
    place.append(element("p", {}, "The capture does not say which pieces the layer has."));
    return;
  }
  let made = 0;
  const colours = pieces.reasons.map((reason) => reason.is_reused ? "var(--reused)" : MADE_COLOURS[made++ % MADE_COLOURS.length]);
  const bytes = pieces.reasons.filter((reason) => !reason.is_reused).reduce((all, reason) => all + reason.tar, 0);
  const words = `${count(pieces.made)} of ${count(pieces.made + pieces.reused)} pieces were made, of ${humanBytes(bytes)} uncompressed; the others were copied from an earlier build.`;
  place.append(element("p", {}, words + (changed === null ? "" : ` ${counted(changed, "entry is", "entries are")} new or changed since this worker wrote this layer before.`)),
    legend(pieces.reasons.map((reason, number) => [reason.why, colours[number]])),
    shape("svg", { id: "strip", role: "img", "aria-label": `The layer from its beginning to its end. ${words} The table below has the reasons.` }));
  part("strip").draw = () => {
    const strip = part("strip"), width = wide(), all = pieces.runs.reduce((all, run) => all + run.tar, 0) || 1;
    strip.replaceChildren();
    strip.setAttribute("width", width);
    strip.setAttribute("height", 28);
    let x = 0;
    for (const run of pieces.runs) {
      const size = run.tar / all * width;
      strip.append(shape("rect", { x, y: 0, width: Math.max(size - (size > 2 ? .5 : 0), .5), height: 28, fill: colours[run.reason] },
        shape("title", {}, `${counted(run.frames, "piece", "pieces")}, ${humanBytes(run.tar)}, from ${run.first} to ${run.last}: ${pieces.reasons[run.reason].why}`)));
      x += size;
    }
  };
  part("strip").draw();
  table(place, "pieces", "Why", [
    { name: "Why", of: (row) => row.why },
    { name: "Pieces", of: (row) => row.frames, ...NUMBER },
    { name: "Uncompressed", of: (row) => row.tar, ...BYTES },
    ...(isCompressed(layer) ? [{ name: "Compressed", of: (row) => row.compressed, ...BYTES }] : []),
  ], pieces.reasons, "h3").set(pieces.reasons);
  const runs = pieces.runs.filter((run) => !pieces.reasons[run.reason].is_reused);
  table(place, "made", "Where pieces were made", [
    { name: "First entry", of: (row) => row.first },
    { name: "Last entry", of: (row) => row.last },
    { name: "Why", of: (row) => pieces.reasons[row.reason].why },
    { name: "Pieces", of: (row) => row.frames, ...NUMBER },
    { name: "Uncompressed", of: (row) => row.tar, ...BYTES },
  ], runs, "h3").set(runs);
}

function showLayer(layer) {
  part("headline").replaceChildren(...layer.contents.headline.map((sentence) => element("p", {}, sentence)),
    element("p", { class: "digest" }, `digest ${layer.contents.digest || "unknown"}`));
  showNumbers(layer);
  showChanges(layer);
  showWhere(layer);
  showPackages(layer);
  showPieces(layer);
}

function showDuplicates() {
  const { contents, wasted, wasted_across, count: many, known_by_inode, files } = data.duplicates;
  const place = part("duplicates-part");
  place.hidden = false;
  place.append(element("h2", {}, "Stored more than once"), element("p", {}, many
    ? `${counted(many, "content is", "contents are")} in more than one file: ${humanBytes(wasted)} could be saved before compression, ${humanBytes(wasted_across)} of this by having each content in one layer only.`
    : "No content is known to be in more than one file."));
  if (known_by_inode) place.append(element("p", {}, `${count(known_by_inode)} of ${count(files)} files are known by their inode, not by a digest: of these, only copies of one file on the disk are found. Bazel lists digests, and with --hardlinks=content the program computes them.`));
  if (written.some((layer) => layer.contents.changes)) place.append(element("p", {}, "Of several builds of a layer, the newest counts."));
  if (many) table(place, "duplicates", "Contents that are stored more than once", [
    { name: "Files", of: (row) => row.paths.map(([layer, path]) => written.length > 1 ? `${path} in ${layers[layer].name}` : path).join(", ") +
      (row.copies > row.paths.length ? ` and ${count(row.copies - row.paths.length)} more` : "") },
    { name: "Copies", of: (row) => row.copies, ...NUMBER },
    { name: "Layers", of: (row) => row.layers, ...NUMBER },
    { name: "Size of each", of: (row) => row.content, ...BYTES },
    { name: "Could be saved", of: (row) => row.wasted, ...BYTES },
  ], contents, "h3").set(contents);
}

if (written.length) {
  layerPart.hidden = part("links-heading").hidden = false;
  const title = written.length === 1 ? `What is in ${written[0].name}` : "What is in these layers";
  part("heading").textContent = title;
  document.title = "mtree-worker: " + title;
  const chooser = part("layer");
  written.forEach((layer, number) => chooser.append(element("option", { value: number }, `${layer.name}, ${timeOf(layer)}`)));
  part("chooser").hidden = written.length === 1;
  chooser.addEventListener("change", () => showLayer(written[chooser.value]));
  // The newest build is what people ask about.
  chooser.value = written.length - 1;
  showLayer(written[written.length - 1]);
  showDuplicates();
  redraw.push(drawWhere, () => part("strip")?.draw());
}
