//! What `--version` prints: the version, the commit, and the versions of the formats.

use std::sync::LazyLock;

use crate::capture;
use crate::layer;

/// Each format that files have, and the version of it that this program writes.
const FORMATS: &[(&str, u32)] =
    &[("capture format", capture::FORMAT_VERSION), ("layer format", layer::FORMAT_VERSION)];

/// The text of `--version`, after the program's name.
pub(super) static LONG: LazyLock<String> = LazyLock::new(|| {
    let formats = FORMATS.iter().map(|(format, version)| format!("\n{format}: {version}"));
    // build.rs finds the commit.
    let version = concat!(env!("CARGO_PKG_VERSION"), "\ncommit: ", env!("MTREE_WORKER_COMMIT"));
    version.to_owned() + &formats.collect::<String>()
});
