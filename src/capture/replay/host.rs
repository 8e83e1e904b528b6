//! A host that is a capture: nothing outside the capture is read or written.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::changes::FactChange;
use super::kept_output::KeptOutput;
use super::tree::ReplayTree;
use crate::capture::format::{
    Capture, CaptureError, Damage, FactLog, HashFact, LayerFacts, RecordedResponse, SourceFact,
    decode_output,
};
use crate::capture::record::{LAYER_CONTENT_ERROR, LAYER_WRITE_ERROR, Operation, RecordingTree};
use crate::display::escaped;
use crate::layer::{
    Codec, CutFrame, Entries, FileStamp, FrameTable, LayerError, TarEntry, cut_frames,
};
use crate::mtree::Spec;
use crate::request::{
    Content, Host, OutputHandle, OutputKind, Purpose, RequestError, SourceQuery, SourceState,
    WrittenLayer,
};
use crate::resolve::Decisions;

/// The largest layer that is cut again, in bytes: a capture of a few bytes may claim any size.
const LARGEST_LAYER: u64 = 1 << 42;

/// A capture in place of the disk.
pub struct ReplayHost {
    is_sandbox: bool,
    files: HashMap<Vec<u8>, Bytes>,
    /// By operation: its error.
    errors: HashMap<Vec<u8>, String>,
    /// `None` once it is used.
    tree: Option<ReplayTree>,
    sizes: VecDeque<u64>,
    /// What is recorded of the layer.
    layer: LayerFacts,
    /// How many of its sources were asked for.
    sources_queried: usize,
    /// By path of a source: what tells its file from others.
    stamps: HashMap<Vec<u8>, FileStamp>,
    /// The layer that the request would write now.
    cut: Option<CutLayer>,
    output_now: KeptOutput,
    /// Required by `RecordingTree`, which logs each answer; not read.
    log: FactLog,
    /// The output when the request was recorded, if it wrote one.
    pub output: Option<Vec<u8>>,
    /// The response when the request was recorded; `None` if the program panicked.
    pub response: Option<RecordedResponse>,
}

impl ReplayHost {
    /// The host that `capture` is.
    pub fn new(capture: &Capture) -> Result<Self, CaptureError> {
        let output = capture.output.as_ref();
        let output =
            output.map(|output| decode_output(output, &capture.files).ok_or(Damage::Output));
        let facts = capture.facts.as_ref().ok_or(Damage::NoFacts)?;
        let tree = ReplayTree::new(facts).ok_or(Damage::Facts)?;
        let files = capture.files.iter().rev();
        let refusals = capture.refusals.iter();
        Ok(Self {
            is_sandbox: capture.is_sandbox,
            files: files.map(|file| (file.path.clone(), file.text.clone())).collect(),
            errors: refusals
                .map(|refusal| (refusal.what.clone(), escaped(refusal.error.as_bytes())))
                .collect(),
            tree: Some(tree),
            sizes: facts.weights.iter().copied().collect(),
            layer: capture.layer.clone().unwrap_or_default(),
            sources_queried: 0,
            stamps: HashMap::new(),
            cut: None,
            output_now: KeptOutput::default(),
            log: FactLog::default(),
            output: output.transpose()?,
            response: capture.response.clone(),
        })
    }

    /// The text of a file that the request read when it was recorded.
    pub fn file(&self, path: &Path) -> Option<&Bytes> {
        self.files.get(path.as_os_str().as_bytes())
    }

    /// Takes the output that the request has committed, if any.
    pub fn take_output(&mut self) -> Option<Vec<u8>> {
        self.output_now.take()
    }

    /// Takes the layer that the request would write now, if it reached that step.
    pub fn take_cut(&mut self) -> Option<CutLayer> {
        self.cut.take()
    }

    /// The sources among `queries`, before which there were `earlier` others, that are not what they were when the request
    /// was recorded.
    pub(super) fn changed_sources(
        &self,
        earlier: usize,
        queries: &[&SourceQuery<'_>],
        answers: &[io::Result<SourceState>],
    ) -> Vec<FactChange> {
        let recorded =
            self.layer.sources.iter().skip(earlier).map(|fact| fact.answer().and_then(Result::ok));
        let pairs = queries.iter().zip(answers).zip(recorded);
        let changes = pairs.filter_map(|((query, now), was)| {
            let (what, was, is) = match (was, now.as_ref().ok()) {
                (Some(was), Some(now)) if was.on_disk.stamp.size != now.on_disk.stamp.size => {
                    let size = |state: &SourceState| state.on_disk.stamp.size.to_string().into();
                    ("has another size", Some(size(&was)), Some(size(now)))
                }
                (Some(was), Some(now)) if was.identity == now.identity => return None,
                (Some(_), Some(_)) => ("has another content or other times", None, None),
                (Some(_), None) => ("was read, and cannot be read", None, None),
                (None, Some(_)) => ("could not be read, and can be", None, None),
                (None, None) => return None,
            };
            Some(FactChange { path: query.path.to_vec(), what: what.to_owned(), was, is })
        });
        changes.collect()
    }

    /// The descriptor of the layer when the request was recorded, as JSON. Empty if none was written.
    pub fn descriptor(&self) -> &str {
        &self.layer.descriptor
    }

    /// The frames of the layer when the request was recorded.
    pub fn frames(&self) -> FrameTable {
        self.layer.table()
    }

    /// The error that writing the layer had when the request was recorded.
    fn recorded_layer_error(&self, entries: &dyn Entries) -> Option<LayerError> {
        let recorded = |what: &[u8]| self.errors.get(what).cloned();
        if let Some(number) = recorded(LAYER_WRITE_ERROR) {
            let error = io::Error::from_raw_os_error(number.parse().ok()?);
            return Some(LayerError::Write(error));
        }
        for (what, text) in &self.errors {
            let number = what.strip_prefix(LAYER_CONTENT_ERROR);
            let number = number.and_then(|number| str::from_utf8(number).ok()?.parse().ok());
            if let Some(entry) = number
                && entry < entries.count()
            {
                return Some(LayerError::RecordedContent { entry, text: text.clone() });
            }
        }
        recorded(&Operation::WriteLayer.key()).map(LayerError::Recorded)
    }

    /// The error that an operation had when the request was recorded.
    fn recorded_error(&self, operation: Operation<'_>) -> Result<(), RequestError> {
        match self.errors.get(&operation.key()) {
            Some(error) => Err(RequestError::Recorded(error.clone())),
            None => Ok(()),
        }
    }
}

/// A layer as its entries and its codec alone determine it.
pub struct CutLayer {
    /// Its entries, in order.
    pub entries: Vec<TarEntry>,
    /// The size of each entry in the tar, in bytes.
    pub sizes: Vec<u64>,
    /// Its frames.
    pub frames: Vec<CutFrame>,
    /// By path of a source: its identity and times when it was recorded, also if they are too young to tell contents
    /// apart (docs/design.md, "The cache").
    pub stamps: HashMap<Vec<u8>, FileStamp>,
}

impl CutLayer {
    fn new(entries: &dyn Entries, codec: Codec) -> Self {
        Self {
            entries: entries.iter().map(Cow::into_owned).collect(),
            sizes: entries.iter().map(|entry| entry.tar_size()).collect(),
            frames: cut_frames(entries, codec),
            stamps: HashMap::new(),
        }
    }
}

/// The recorded answers to as many questions, the first of which is about the path `first`.
fn answered<T>(
    answers: Option<Vec<io::Result<T>>>,
    questions: usize,
    first: impl FnOnce() -> Vec<u8>,
) -> Result<Vec<io::Result<T>>, RequestError> {
    match answers {
        Some(answers) if answers.len() == questions => Ok(answers),
        _ => Err(RequestError::NotRecorded(PathBuf::from(OsString::from_vec(first())))),
    }
}

impl Host for ReplayHost {
    type Tree<'t> = RecordingTree<'t, ReplayTree>;

    fn read(&mut self, path: &Path, _: Purpose) -> Result<Bytes, RequestError> {
        self.recorded_error(Operation::Read(path))?;
        let text = self.file(path).cloned();
        text.ok_or_else(|| RequestError::NotRecorded(path.to_owned()))
    }

    fn is_sandbox(&self) -> bool {
        self.is_sandbox
    }

    fn tree(&mut self) -> Result<Self::Tree<'_>, RequestError> {
        self.recorded_error(Operation::Tree)?;
        let tree = self.tree.take();
        Ok(RecordingTree::new(tree.ok_or(RequestError::TreeUsed)?, &mut self.log))
    }

    fn file_size(&mut self, _: &[u8]) -> Option<u64> {
        self.sizes.pop_front()
    }

    fn sources(
        &mut self,
        queries: &[&SourceQuery<'_>],
    ) -> Result<Vec<io::Result<SourceState>>, RequestError> {
        self.recorded_error(Operation::Sources)?;
        let rest = self.layer.sources.get(self.sources_queried..).unwrap_or_default();
        let answers = rest.iter().take(queries.len()).map(SourceFact::answer);
        self.sources_queried += queries.len();
        let answers = answered(answers.collect(), queries.len(), || {
            queries.first().map(|query| query.path.to_vec()).unwrap_or_default()
        })?;
        let known = queries.iter().zip(&answers).filter_map(|(query, answer)| {
            Some((query.path.to_vec(), answer.as_ref().ok()?.on_disk.stamp))
        });
        self.stamps.extend(known);
        Ok(answers)
    }

    fn hash_sources(
        &mut self,
        sources: &[&[u8]],
    ) -> Result<Vec<io::Result<[u8; 32]>>, RequestError> {
        self.recorded_error(Operation::Hashes)?;
        let answers = self.layer.hashes.iter().map(HashFact::answer);
        answered(answers.collect(), sources.len(), || {
            sources.first().map(|source| source.to_vec()).unwrap_or_default()
        })
    }

    fn resolved(&mut self, spec: &Spec, decisions: &Decisions) {
        self.output_now.resolved(spec, decisions);
    }

    fn write_layer(
        &mut self,
        _: &OutputHandle,
        entries: &dyn Entries,
        codec: Codec,
    ) -> Result<WrittenLayer, LayerError> {
        if let Some(error) = self.recorded_layer_error(entries) {
            return Err(error);
        }
        let size = entries.iter().fold(0, |sum: u64, entry| sum.saturating_add(entry.size));
        if size > LARGEST_LAYER {
            return Err(LayerError::TooLargeToCompare { limit: LARGEST_LAYER });
        }
        let stamps = std::mem::take(&mut self.stamps);
        self.cut = Some(CutLayer { stamps, ..CutLayer::new(entries, codec) });
        Ok(WrittenLayer::default())
    }

    fn create(
        &mut self,
        kind: OutputKind,
        _: &Path,
        _: &[PathBuf],
    ) -> Result<OutputHandle, RequestError> {
        self.recorded_error(Operation::Create(kind))?;
        Ok(OutputHandle::new(kind))
    }

    fn write(&mut self, output: &OutputHandle, content: Content<'_>) -> Result<(), RequestError> {
        self.recorded_error(Operation::Write(output.kind()))?;
        self.output_now.write(output.kind(), &content);
        Ok(())
    }

    fn check_cancelled(&mut self) -> Result<(), RequestError> {
        self.recorded_error(Operation::CheckCancelled)
    }

    fn commit(&mut self, output: OutputHandle) -> Result<(), RequestError> {
        self.recorded_error(Operation::Commit(output.kind()))?;
        self.output_now.commit(output.kind());
        Ok(())
    }
}
