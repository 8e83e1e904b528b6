// Packs the directory DIR with npm's tar, as programs in JavaScript do.
const tar = require("tar");
const [dir, out] = process.argv.slice(2);
tar.create({ gzip: true, portable: true, cwd: dir, file: out }, ["."]).catch((error) => {
  console.error(error);
  process.exit(1);
});
