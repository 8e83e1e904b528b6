//! The output of a request that runs again, kept in memory.
//!
//! Knows that an output counts once it is committed; must not know what is in it.

use crate::mtree::Spec;
use crate::request::{Content, OutputKind};
use crate::resolve::Decisions;

/// The spec that a request writes, or that its layer is made of.
#[derive(Default)]
pub(super) struct KeptOutput {
    written: Option<Vec<u8>>,
    committed: Option<Vec<u8>>,
}

impl KeptOutput {
    /// Keeps what is written, if it is the spec.
    pub(super) fn write(&mut self, kind: OutputKind, content: &Content<'_>) {
        if kind == OutputKind::Spec {
            self.written = Some(content.to_bytes());
        }
    }

    /// Keeps the spec that a layer is made of.
    pub(super) fn resolved(&mut self, spec: &Spec, decisions: &Decisions) {
        let patch = decisions.edits(spec).into_patch();
        self.written = Some(Content::Patched(spec, patch).to_bytes());
    }

    /// Commits the spec with the output that it is, or that is made of it.
    pub(super) fn commit(&mut self, kind: OutputKind) {
        if matches!(kind, OutputKind::Spec | OutputKind::Layer) {
            self.committed = self.written.take();
        }
    }

    /// Takes the spec, if it was committed.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        self.committed.take()
    }
}
