// Packs rows with npm's tar-stream and zlib, as rules_js packed images. ROWS is as in pack.py.
const fs = require("node:fs");
const zlib = require("node:zlib");
const { pipeline } = require("node:stream/promises");
const tar = require("tar-stream");

const [rows, out] = process.argv.slice(2);
const types = { dir: "directory", link: "symlink", file: "file" };

async function pack(into) {
  for (const row of fs.readFileSync(rows, "utf8").split("\n").filter(Boolean)) {
    const [type, mode, name, other] = row.split("\t");
    const header = { name, type: types[type], mode: parseInt(mode, 8), mtime: new Date(1672560000000) };
    if (type === "link") header.linkname = other;
    const content = type === "file" ? fs.readFileSync(other) : undefined;
    await new Promise((resolve, reject) => into.entry(header, content, (e) => (e ? reject(e) : resolve())));
  }
  into.finalize();
}

const into = tar.pack();
Promise.all([pack(into), pipeline(into, zlib.createGzip(), fs.createWriteStream(out))]).catch((error) => {
  console.error(error);
  process.exit(1);
});
