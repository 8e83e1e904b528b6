//! The page of `mtree-worker report`, in Debian's chromium, headless.

mod browser;
mod layers;
mod links;
mod usable;
