//! The sandboxes that Bazel makes for one action, and starts a process in.
//!
//! Knows their paths; must not know what is in them.

use std::path::{Component, Path};

/// Whether `directory`, the absolute working directory of a process, is a sandbox of Bazel.
///
/// A sandbox is `OUTPUT_BASE/sandbox/STRATEGY/NUMBER/execroot/NAME`, or with `--sandbox_base`
/// `BASE/bazel-sandbox.HASH/STRATEGY/NUMBER/execroot/NAME`. The hermetic Linux sandbox moves the root of the
/// file system to `NUMBER`, so the process runs in `/execroot/NAME`.
pub fn is_sandbox(directory: &Path) -> bool {
    let mut above = directory.components().rev().skip(1);
    let mut next = || match above.next() {
        Some(Component::Normal(name)) => name.to_str(),
        _ => None,
    };
    if next() != Some("execroot") {
        return false;
    }
    let Some(number) = next() else {
        return directory.components().count() == 3;
    };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number
        && next().is_some()
        && next().is_some_and(|base| base == "sandbox" || base.starts_with("bazel-sandbox."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_sandbox_is_recognised_and_no_other_directory_is() {
        for sandbox in [
            "/home/u/.cache/bazel/_bazel_u/0a1b/sandbox/linux-sandbox/12/execroot/_main",
            "/out/sandbox/processwrapper-sandbox/1/execroot/name",
            "/dev/shm/bazel-sandbox.0f3c/linux-sandbox/7/execroot/_main",
            "/execroot/_main",
        ] {
            assert!(is_sandbox(Path::new(sandbox)), "{sandbox}");
        }
        for other in [
            "/home/u/.cache/bazel/_bazel_u/0a1b/execroot/_main",
            "/home/u/sandbox/linux-sandbox/12/execroot",
            "/home/u/sandbox/linux-sandbox/x/execroot/_main",
            "/home/u/linux-sandbox/12/execroot/_main",
            "/out/bazel-workers/MtreeMutate-worker-1-2/_main",
            "/execroot",
            "/",
            "execroot/_main",
        ] {
            assert!(!is_sandbox(Path::new(other)), "{other}");
        }
    }
}
