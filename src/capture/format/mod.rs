//! The file format of captures.
//!
//! Nothing in a file is trusted. Must not know how a capture is recorded or replayed.

mod facts;
mod file;
mod layer;
mod limits;
mod output;
mod proto;

pub(super) use facts::{Fact, FactLog, Facts, for_each};
pub(crate) use file::write;
pub use file::{CaptureError, Damage, VERSION, is_capture, read};
pub(super) use layer::LayerFacts;
pub(super) use limits::MOST_FACTS;
pub(super) use output::{WrittenSpec, decode_output};
pub use proto::{Capture, Form, RecordedResponse};
pub(crate) use proto::{FactKind, HashFact, RecordedFile, Refusal, SourceFact, TimedStep};
