//! Random trees of Bazel's shape and random specs over them.
//!
//! A plan is what proptest draws and makes smaller; planting it gives a tree on the disk, and
//! writing a spec's plan over the sources that are found there gives the bytes of the spec. The
//! choices favour what the rules are about: few names, so that directories look alike; links to links;
//! whole directories in the spec, so that linked ones can become one link.

pub mod spec;
pub mod tree;

use proptest::{
    collection::vec,
    prelude::{Strategy, any},
    prop_oneof,
    sample::select,
};

/// A file's or directory's name: mostly one of a few, sometimes any bytes but NUL and `/`.
fn name() -> impl Strategy<Value = Vec<u8>> {
    const FEW: [&str; 9] = ["a", "b", "c", "lib", "lib64", "bin", "x.so", "sp ace", "h#=\\t"];
    prop_oneof![
        14 => select(&FEW[..6]).prop_map(|name| name.as_bytes().to_vec()),
        3 => select(&FEW[6..]).prop_map(|name| name.as_bytes().to_vec()),
        2 => vec(any::<u8>().prop_filter("not NUL or /", |byte| !matches!(byte, 0 | b'/')), 1..5)
            .prop_filter("not . or ..", |name| !matches!(name.as_slice(), b"." | b"..")),
    ]
}
