"""The released programs of this version. `release/list` writes this file; see release/CHECKLIST.md."""

# The version in Cargo.toml. A new version builds and downloads its program again, since Bazel compares the digest of
# this file.
VERSION = "0.2.0"

# Platform of the host -> SHA-256 of the archive, and where it can be downloaded from. Empty until the first release.
RELEASES = {}
