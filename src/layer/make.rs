//! One frame: its bytes from the contents, or from an output that has it.
//!
//! Knows how the bytes of a frame are obtained and checked; must not know other frames or threads.

use std::io;
use std::time::Instant;

use super::assemble::Job;
use super::buffer::Buffer;
use super::codec::{Codec, Encoder};
use super::descriptor::Seconds;
use super::entry::{FileContent, TarEntry};
use super::error::{ContentError, LayerError};
use super::frames::LayerFrame;
use super::header::{self, END, padding};
use super::identity::{Check, ContentIdentity};
use super::index::{self, Checksum, HeldFrame};
use super::plan::Plan;
use super::source::Opened;
use super::table::FrameOrigin;

/// How much of a content is read at once if it is only checked, in bytes.
const CHECK_PIECE: usize = 256 << 10;

/// A frame that is ready.
pub(super) struct Made {
    /// Its uncompressed bytes, if they are needed and it is compressed.
    pub raw: Option<Buffer>,
    /// Its bytes in the output.
    pub blob: Buffer,
    pub facts: FrameFacts,
}

/// What is known of a frame that is ready. `crc` and the checksums are those of [`HeldFrame`].
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameFacts {
    pub crc: u32,
    pub checksum: Checksum,
    pub raw_checksum: Option<Checksum>,
    pub origin: FrameOrigin,
}

/// Makes frames, on one thread.
pub(super) struct Maker<'j> {
    job: &'j Job<'j>,
    plan: &'j Plan,
    encoder: Encoder,
    header: Vec<u8>,
    pub seconds: Seconds,
}

impl<'j> Maker<'j> {
    /// A maker for one thread.
    pub(super) fn new(job: &'j Job<'j>, plan: &'j Plan) -> Result<Self, LayerError> {
        let (encoder, seconds) = (Encoder::new(job.codec)?, Seconds::default());
        Ok(Self { job, plan, encoder, header: Vec::new(), seconds })
    }

    /// Makes frame `number`, or reads it from an output.
    pub(super) fn make(&mut self, number: usize) -> Result<Made, LayerError> {
        if (self.job.is_cancelled)() {
            return Err(LayerError::Cancelled);
        }
        match self.reuse(number) {
            Some(made) => Ok(made),
            None => self.make_anew(number),
        }
    }

    /// Reads the frame from an output that has it. `None` if the frame or one of its contents changed: making it anew
    /// returns the error, if there is one.
    fn reuse(&mut self, number: usize) -> Option<Made> {
        let found = self.plan.lookup.frames[number].as_ref()?;
        let start = Instant::now();
        let HeldFrame { length, crc, checksum, raw_checksum, .. } = *found.held();
        let mut blob = self.job.buffers.take(length);
        let is_intact = found.output.read(found.held(), blob.room(length));
        blob.put(length);
        self.seconds.reuse += start.elapsed().as_secs_f64();
        if !is_intact {
            self.job.buffers.give(blob);
            return None;
        }
        let mut raw = None;
        if self.plan.wants_raw[number] {
            let start = Instant::now();
            let mut bytes = self.job.buffers.take(raw_length(&self.plan.frames[number]));
            let is_same = self.read(&self.plan.frames[number], &mut bytes, false).is_ok()
                && raw_checksum.is_none_or(|before| index::checksum(bytes.as_slice()) == before);
            self.seconds.read += start.elapsed().as_secs_f64();
            if !is_same {
                self.job.buffers.give(bytes);
                self.job.buffers.give(blob);
                return None;
            }
            raw = Some(bytes);
        }
        let origin = FrameOrigin::Reused;
        Some(Made { raw, blob, facts: FrameFacts { crc, checksum, raw_checksum, origin } })
    }

    fn make_anew(&mut self, number: usize) -> Result<Made, LayerError> {
        let frame = &self.plan.frames[number];
        let start = Instant::now();
        let mut raw = self.job.buffers.take(raw_length(frame));
        let has_contents_by_bytes = self.read(frame, &mut raw, true)?;
        let is_held = self.plan.keys[number].is_some();
        let raw_checksum =
            (is_held && has_contents_by_bytes).then(|| index::checksum(raw.as_slice()));
        let (middle, mut crc) = (Instant::now(), 0);
        self.seconds.read += (middle - start).as_secs_f64();
        let (raw, blob) = if self.job.codec == Codec::None {
            (None, raw)
        } else {
            let mut blob = self.job.buffers.take(compressed_length(raw.as_slice().len()));
            crc = blob.write(|out| self.encoder.encode(raw.as_slice(), out))?;
            if self.plan.wants_raw[number] {
                (Some(raw), blob)
            } else {
                self.job.buffers.give(raw);
                (None, blob)
            }
        };
        let checksum = if is_held { index::checksum(blob.as_slice()) } else { 0 };
        self.seconds.compress += middle.elapsed().as_secs_f64();
        let origin = match (&self.plan.keys[number], &self.plan.lookup.frames[number]) {
            (None, _) => FrameOrigin::Unknown,
            (Some(_), None) => FrameOrigin::NotHeld,
            (Some(_), Some(_)) => FrameOrigin::Damaged,
        };
        Ok(Made { raw, blob, facts: FrameFacts { crc, checksum, raw_checksum, origin } })
    }

    /// Reads the uncompressed bytes of `frame`. With `by_bytes`, contents that are identified by a digest are checked
    /// against it. Returns whether there are such contents.
    fn read(
        &mut self,
        frame: &LayerFrame,
        raw: &mut Buffer,
        by_bytes: bool,
    ) -> Result<bool, LayerError> {
        let job = self.job;
        let mut has_contents_by_bytes = false;
        for (number, entry) in frame.entries.clone().zip(job.entries.range(frame.entries.clone())) {
            let entry = &*entry;
            has_contents_by_bytes |= entry.data().is_some_and(FileContent::is_known_by_bytes);
            let problem =
                |problem| LayerError::Content { entry: number, path: entry.path.clone(), problem };
            self.header.clear();
            header::write(entry, &mut self.header);
            match &frame.part {
                None => {
                    raw.extend(&self.header);
                    if let Some(content) = entry.data() {
                        self.read_whole(entry, content, raw, by_bytes).map_err(problem)?;
                    }
                    raw.extend_zeros(padding(entry.data_len()));
                }
                Some(part) => {
                    let header_end = self.header.len() as u64;
                    let data_end = header_end + entry.data_len();
                    // The bytes of the part in the header, in the content, and in the padding.
                    let in_header = part.start.min(header_end)..part.end.min(header_end);
                    let in_data = part.start.clamp(header_end, data_end)
                        ..part.end.clamp(header_end, data_end);
                    let behind = part.end.max(data_end) - part.start.max(data_end);
                    raw.extend(&self.header[in_header.start as usize..in_header.end as usize]);
                    if let Some(content) = entry.data() {
                        let range = in_data.start - header_end..in_data.end - header_end;
                        self.read_range(entry, content, range, raw).map_err(problem)?;
                        if by_bytes && !self.plan.checked.contains_key(&number) {
                            self.check_whole(entry, content).map_err(problem)?;
                        }
                    }
                    raw.extend_zeros(behind as usize);
                }
            }
        }
        if frame.is_last {
            raw.extend(&END);
        }
        Ok(has_contents_by_bytes)
    }

    fn read_whole(
        &self,
        entry: &TarEntry,
        content: &FileContent,
        raw: &mut Buffer,
        by_bytes: bool,
    ) -> Result<(), ContentError> {
        let start = raw.as_slice().len();
        self.read_range(entry, content, 0..entry.size, raw)?;
        let bytes = &raw.as_slice()[start..];
        let matches = match &content.identity {
            _ if !by_bytes => true,
            ContentIdentity::Listed(listed) => self.job.digest_function.match_whole(listed, bytes),
            ContentIdentity::Hashed(digest) => blake3::hash(bytes) == *digest,
            ContentIdentity::Unknown | ContentIdentity::Stamp(_) => true,
        };
        if matches { Ok(()) } else { Err(changed(content)) }
    }

    /// Reads `range` of a content, in bytes, and checks its file against its size and stamp.
    fn read_range(
        &self,
        entry: &TarEntry,
        content: &FileContent,
        range: std::ops::Range<u64>,
        raw: &mut Buffer,
    ) -> Result<(), ContentError> {
        let failed = |error| read_error(content, error);
        let opened = self.job.source.open(&content.source).map_err(failed)?;
        let wanted = (range.end - range.start) as usize;
        // Room for one more byte at the end, to notice a content that grew.
        let is_end = range.end == entry.size;
        let room = raw.room(wanted + usize::from(is_end));
        let got = read_at_least(&*opened, wanted, room, range.start).map_err(failed)?;
        if got != wanted {
            let stamp = opened.stamp().map_err(failed)?;
            return Err(ContentError::Resized {
                source_path: content.source.clone(),
                expected: entry.size,
                found: stamp.size,
            });
        }
        raw.put(wanted);
        if let ContentIdentity::Stamp(stamp) = &content.identity
            && opened.stamp().map_err(failed)? != *stamp
        {
            return Err(changed(content));
        }
        Ok(())
    }

    /// Reads all of a content that is spread over frames, and checks it against its identity.
    fn check_whole(&self, entry: &TarEntry, content: &FileContent) -> Result<(), ContentError> {
        if !content.is_known_by_bytes() {
            return Ok(());
        }
        let failed = |error| read_error(content, error);
        let opened = self.job.source.open(&content.source).map_err(failed)?;
        let mut check = Check::new(content.identity);
        let mut piece = vec![0; CHECK_PIECE];
        let mut at = 0;
        while at < entry.size {
            let got = read_at_least(&*opened, CHECK_PIECE, &mut piece, at).map_err(failed)?;
            check.update(&piece[..got]);
            at += got as u64;
            if got == 0 {
                break;
            }
        }
        if check.matches() { Ok(()) } else { Err(changed(content)) }
    }
}

/// Checks contents that are spread over frames, given these frames in order.
pub(super) struct SpreadCheck<'j> {
    job: &'j Job<'j>,
    plan: &'j Plan,
    open: Option<Check>,
}

impl<'j> SpreadCheck<'j> {
    pub(super) fn new(job: &'j Job<'j>, plan: &'j Plan) -> Self {
        Self { job, plan, open: None }
    }

    /// Adds the uncompressed bytes of frame `number`. An error if they are the last ones of a content that changed.
    pub(super) fn pass(&mut self, number: usize, raw: &[u8]) -> Result<(), LayerError> {
        let frame = &self.plan.frames[number];
        let entry_number = frame.entries.start;
        let (Some(part), Some(spread)) = (&frame.part, self.plan.checked.get(&entry_number)) else {
            return Ok(());
        };
        let entry = self.job.entries.entry(entry_number);
        let Some(content) = entry.data() else { return Ok(()) };
        let check = self.open.get_or_insert_with(|| Check::new(content.identity));
        let end = (spread.header + spread.size).min(part.end);
        let start = spread.header.max(part.start);
        if start < end {
            check.update(&raw[(start - part.start) as usize..(end - part.start) as usize]);
        }
        let is_end = part.end >= spread.header + spread.size;
        if is_end && !self.open.take().is_some_and(Check::matches) {
            // A part may hold padding alone: the check ended with the part before.
            if start < end || part.start == 0 {
                let (path, problem) = (entry.path.clone(), changed(content));
                return Err(LayerError::Content { entry: entry_number, path, problem });
            }
        }
        Ok(())
    }
}

/// The memory for the uncompressed bytes of a frame: [`Maker::read_range`] takes room for one byte more.
fn raw_length(frame: &LayerFrame) -> usize {
    frame.tar_size() as usize + 1
}

/// The memory that `raw` bytes take at most once they are compressed, by any codec.
fn compressed_length(raw: usize) -> usize {
    raw + raw / 64 + 1024
}

fn changed(content: &FileContent) -> ContentError {
    ContentError::Changed { source_path: content.source.clone() }
}

fn read_error(content: &FileContent, error: io::Error) -> ContentError {
    ContentError::Read { source_path: content.source.clone(), error }
}

/// Reads into `buffer` from `offset` on until it holds `wanted` bytes or the content ends. Returns how many it holds.
fn read_at_least(
    opened: &dyn Opened,
    wanted: usize,
    buffer: &mut [u8],
    offset: u64,
) -> io::Result<usize> {
    let mut got = 0;
    loop {
        match opened.read_at(&mut buffer[got..], offset + got as u64)? {
            0 => return Ok(got),
            count => got += count,
        }
        if got >= wanted {
            return Ok(got);
        }
    }
}
