//! Colours for a terminal, for `diff` and `explain`.
//!
//! Knows what a colour stands for; must not know what is printed.

/// Whether text is coloured.
#[derive(Clone, Copy)]
pub(super) struct Paint(pub bool);

impl Paint {
    fn paint(self, code: &str, text: &str) -> String {
        match self.0 {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    pub(super) fn added(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// A row that is explained.
    pub(super) fn row(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(super) fn removed(self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(super) fn changed(self, text: &str) -> String {
        self.paint("33", text)
    }

    pub(super) fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(super) fn label(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(super) fn rule(self, text: &str) -> String {
        self.paint("36", text)
    }
}
