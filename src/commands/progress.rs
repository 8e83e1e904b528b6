//! A bar on stderr while a layer is written, if that takes long.
//!
//! Knows bytes and the clock; must not know what is written.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long it takes until a bar appears.
pub(super) const DELAY: Duration = Duration::from_millis(500);

/// A bar for the bytes of one layer.
pub(crate) struct LayerProgress {
    bar: ProgressBar,
    /// When it began. `None` if stderr is no terminal.
    since: Option<Instant>,
}

impl LayerProgress {
    /// A bar that appears only on a terminal.
    pub(crate) fn new(is_terminal: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let style = "{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Self { bar, since: is_terminal.then(Instant::now) }
    }

    /// Shows that `written` of `total` bytes are written.
    pub(crate) fn show(&self, written: u64, total: u64) {
        if self.since.is_some_and(|since| since.elapsed() > DELAY) {
            if self.bar.is_hidden() {
                self.bar.set_draw_target(ProgressDrawTarget::stderr());
                self.bar.set_length(total);
            }
            self.bar.set_position(written);
            if written == total {
                self.bar.finish_and_clear();
            }
        }
    }
}

impl Drop for LayerProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
