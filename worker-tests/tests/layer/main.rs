//! Layers: the built program, once and as a worker, compared with bsdtar and with itself, and while things fail
//! around it. Each test's name is a sentence of docs/design.md, "Layers", or follows from one.

#[cfg(feature = "system")]
mod determinism;
#[cfg(feature = "system")]
mod endings;
mod flags;
mod groups;
#[cfg(feature = "system")]
mod identity;
#[cfg(feature = "system")]
mod large;
mod layers;
mod never_stale;
#[cfg(feature = "system")]
mod random_lines;
#[cfg(feature = "system")]
mod readers;
mod rows;

#[cfg(feature = "system")]
use proptest::test_runner::Config;

/// Draws `default` times, or as `PROPTEST_CASES` says; the same in every run, unless `PROPTEST_RNG_SEED` says
/// otherwise.
#[cfg(feature = "system")]
fn config(default: u32) -> Config {
    let asked = std::env::var("PROPTEST_CASES").ok();
    Config {
        cases: asked.and_then(|count| count.parse().ok()).unwrap_or(default),
        failure_persistence: None,
        max_shrink_iters: 1000,
        ..Config::default()
    }
}
