//! The assembler: entries in, a layer out.
//!
//! Knows the steps and the threads that do them: workers make frames, one thread hashes the
//! uncompressed tar, the caller's thread writes. Must not know what a frame is made of.

use std::io::{IoSlice, Write};
use std::ops::Range;
use std::thread::Builder;
use std::time::Instant;

use sha2::{Digest as _, Sha256};

use super::board::{Board, Side};
use super::buffer::{Buffer, BufferPool};
use super::codec::Codec;
use super::descriptor::{Descriptor, Digest, FORMAT_VERSION, LayerCounts, Seconds};
use super::entries::Entries;
use super::error::LayerError;
use super::history::EntryHistory;
use super::identity::DigestFunction;
use super::index::{Hashers, HeldFrame, Index};
use super::make::{FrameFacts, Maker, SpreadCheck};
use super::permits::Permits;
use super::plan::Plan;
use super::source::ReadSource;
use super::table::{FrameOrigin, FrameTable, WrittenFrame, cut_frame};
use crate::vectored;

/// The budget of the board for each thread that makes frames, in uncompressed bytes. A frame counts once for each
/// of its two sides.
const PER_THREAD: u64 = 8 << 20;

/// One layer to write.
pub struct Job<'j> {
    /// In the order of the layer.
    pub entries: &'j dyn Entries,
    /// How frames are compressed.
    pub codec: Codec,
    /// How many threads read and compress, of this layer and of all others. Two more threads hash and write.
    pub permits: &'j Permits,
    /// The memory of frames under way.
    pub buffers: &'j BufferPool,
    /// Reads contents.
    pub source: &'j dyn ReadSource,
    /// Where frames are looked up. Without it, no frame is reused, and [`AssembledLayer::frames`] is empty.
    pub index: Option<&'j Index>,
    /// Shared by all requests of a process.
    pub digest_function: &'j DigestFunction,
    /// Called before each frame.
    pub is_cancelled: &'j (dyn Fn() -> bool + Sync),
    /// Whether [`AssembledLayer::table`] and [`AssembledLayer::history`] are needed.
    pub wants_table: bool,
    /// The entries of the last layer of the same output, if they are known.
    pub before: Option<&'j EntryHistory>,
    /// Called after frames are written: how many bytes of the uncompressed tar are written, and how many it has.
    pub progress: &'j (dyn Fn(u64, u64) + Sync),
}

/// A layer that was written.
pub struct AssembledLayer {
    /// Its digests and size.
    pub descriptor: Descriptor,
    /// Numbers for the report.
    pub counts: LayerCounts,
    /// For [`Index::hold`], once the output is in its place.
    pub frames: Vec<HeldFrame>,
    /// What is in each frame and where it came from, if that was requested.
    pub table: Option<FrameTable>,
    /// Its entries, for [`Index::hold`], if they were requested.
    pub history: Option<EntryHistory>,
}

/// One side of a frame that was made.
struct BoardItem {
    bytes: Buffer,
    facts: FrameFacts,
}

/// What all threads of a layer share.
#[derive(Clone, Copy)]
struct Shared<'s> {
    job: &'s Job<'s>,
    plan: &'s Plan,
    /// The frames that one thread makes together.
    runs: &'s [Range<usize>],
    /// By run.
    board: &'s Board<Vec<BoardItem>>,
}

/// Writes the layer of `job` to `out`.
///
/// The bytes depend on the entries, the contents and the codec alone: not on the number of threads, nor
/// on what the index holds. On an error, `out` may have been written to. If several frames fail, the error of the
/// first is returned.
pub fn assemble(job: &Job<'_>, out: &mut dyn Write) -> Result<AssembledLayer, LayerError> {
    let start = Instant::now();
    let plan = Plan::new(job.entries, job.codec, job.index);
    let mut seconds = Seconds { plan: start.elapsed().as_secs_f64(), ..Seconds::default() };
    let threads = job.permits.all().get();
    let budget = PER_THREAD * threads as u64;
    let runs = plan.runs();
    let size = |run: &Range<usize>| plan.frames[run.clone()].iter().map(|frame| frame.size).sum();
    let board = Board::new(runs.iter().map(size).collect(), budget);
    let shared = Shared { job, plan: &plan, runs: &runs, board: &board };
    let (written, hashed) = std::thread::scope(|scope| {
        let refused = |error| board.fail(0, LayerError::Thread(error));
        let workers = (0..threads).map(|_| Builder::new().spawn_scoped(scope, || work(shared)));
        let workers: Vec<_> = workers.collect();
        let hashing = Builder::new().spawn_scoped(scope, || hash_raw(shared)).map_err(refused);
        let workers: Vec<_> =
            workers.into_iter().filter_map(|worker| worker.map_err(refused).ok()).collect();
        let written = write(shared, out);
        for worker in workers {
            seconds.add(&joined(worker));
        }
        (written, hashing.ok().and_then(joined))
    });
    if let Some(error) = board.into_error() {
        return Err(error);
    }
    // Without an error, both consumers have all frames.
    let (Some(written), Some((raw_hashers, hash_raw))) = (written, hashed) else {
        return Err(LayerError::Cancelled);
    };
    seconds.hash_raw += hash_raw;
    seconds.add(&written.seconds);
    finish(job, &plan, written, raw_hashers, seconds, start, out)
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Makes frames until there are no more.
fn work(Shared { job, plan, runs, board }: Shared<'_>) -> Seconds {
    let _stop = board.stop_on_panic();
    let mut maker = match Maker::new(job, plan) {
        Ok(maker) => maker,
        Err(error) => {
            board.fail(0, error);
            return Seconds::default();
        }
    };
    while let Some(run) = board.begin() {
        let _permit = job.permits.take();
        let (mut raw, mut blob) = (Vec::new(), Vec::new());
        for number in runs[run].clone() {
            match maker.make(number) {
                Ok(made) => {
                    raw.extend(made.raw.map(|bytes| BoardItem { bytes, facts: made.facts }));
                    blob.push(BoardItem { bytes: made.blob, facts: made.facts });
                }
                Err(error) => {
                    board.fail(number, error);
                    return maker.seconds;
                }
            }
        }
        board.deliver(run, (!raw.is_empty()).then_some(raw), blob);
    }
    maker.seconds
}

/// Hashes the uncompressed tar, and checks contents that are spread over frames.
///
/// Returns the SHA-256 state after each frame; none if the layer is not compressed. Also returns how many seconds it took.
fn hash_raw(Shared { job, plan, runs, board }: Shared<'_>) -> Option<(Vec<Sha256>, f64)> {
    let _stop = board.stop_on_panic();
    let head = plan.lookup.head_frames();
    let mut hashers: Vec<_> = head.iter().map(|frame| frame.after.raw.clone()).collect();
    let mut hasher = hashers.last().cloned().unwrap_or_default();
    let (mut check, mut seconds) = (SpreadCheck::new(job, plan), 0.0);
    for (run, frames) in runs.iter().enumerate() {
        if !plan.wants_raw[frames.start] {
            continue;
        }
        for (number, item) in frames.clone().zip(board.take(run, Side::Raw)?) {
            let start = Instant::now();
            if let Err(error) = check.pass(number, item.bytes.as_slice()) {
                board.fail(number, error);
                return None;
            }
            if number >= head.len() {
                hasher.update(item.bytes.as_slice());
                hashers.push(hasher.clone());
            }
            job.buffers.give(item.bytes);
            seconds += start.elapsed().as_secs_f64();
        }
        board.done(run);
    }
    Some((hashers, seconds))
}

/// What was written, by frame.
struct WrittenFrames {
    /// Its offset and length in the output, in bytes, and what is known of it.
    frames: Vec<(u64, usize, FrameFacts)>,
    /// The SHA-256 state of the output after it.
    hashers: Vec<Sha256>,
    /// The size of all of them and of what the codec writes before the first, in bytes.
    size: u64,
    seconds: Seconds,
}

/// Writes the frames in order.
fn write(
    Shared { job, plan, runs, board }: Shared<'_>,
    out: &mut dyn Write,
) -> Option<WrittenFrames> {
    let _stop = board.stop_on_panic();
    let head = plan.lookup.head_frames();
    let mut hashers: Vec<_> = head.iter().map(|frame| frame.after.blob.clone()).collect();
    let mut hasher =
        hashers.last().cloned().unwrap_or_else(|| Sha256::new_with_prefix(job.codec.head()));
    let (mut seconds, mut written) = (Seconds::default(), Vec::with_capacity(plan.frames.len()));
    let (mut size, mut raw_size, total) = (job.codec.head().len() as u64, 0, plan.size());
    let mut check = SpreadCheck::new(job, plan);
    if let Err(error) = out.write_all(job.codec.head()) {
        board.fail(0, LayerError::Write(error));
        return None;
    }
    for (run, frames) in runs.iter().enumerate() {
        let items = board.take(run, Side::Blob)?;
        let start = Instant::now();
        for (number, BoardItem { bytes, .. }) in frames.clone().zip(&items) {
            let blob = bytes.as_slice();
            if number >= head.len() {
                hasher.update(blob);
                hashers.push(hasher.clone());
            }
            if job.codec == Codec::None
                && let Err(error) = check.pass(number, blob)
            {
                board.fail(number, error);
                return None;
            }
        }
        let middle = Instant::now();
        let blobs = items.iter().map(|item| IoSlice::new(item.bytes.as_slice()));
        if let Err(error) = vectored::write_all(out, &mut blobs.collect::<Vec<_>>()) {
            board.fail(frames.start, LayerError::Write(error));
            return None;
        }
        seconds.hash_blob += (middle - start).as_secs_f64();
        seconds.write += middle.elapsed().as_secs_f64();
        for (number, BoardItem { bytes, facts }) in frames.clone().zip(items) {
            let length = bytes.as_slice().len();
            written.push((size, length, facts));
            size += length as u64;
            raw_size += plan.frames[number].tar_size();
            job.buffers.give(bytes);
        }
        board.done(run);
        (job.progress)(raw_size, total);
    }
    Some(WrittenFrames { frames: written, hashers, size, seconds })
}

/// Writes the end of the layer, after its last frame, and returns what was written.
fn finish(
    job: &Job<'_>,
    plan: &Plan,
    written: WrittenFrames,
    raw_hashers: Vec<Sha256>,
    mut seconds: Seconds,
    start: Instant,
    out: &mut dyn Write,
) -> Result<AssembledLayer, LayerError> {
    let WrittenFrames { frames: written, hashers: blob_hashers, mut size, .. } = written;
    // Without compression, both streams are one.
    let raw_hashers = if job.codec == Codec::None { &blob_hashers } else { &raw_hashers };
    let mut crc = crc32fast::Hasher::new();
    if job.codec.needs_crc() {
        for (frame, (_, _, facts)) in plan.frames.iter().zip(&written) {
            crc.combine(&crc32fast::Hasher::new_with_initial_len(facts.crc, frame.tar_size()));
        }
    }
    let tail = job.codec.tail(crc.finalize(), plan.size());
    out.write_all(&tail).and_then(|()| out.flush()).map_err(LayerError::Write)?;
    size += tail.len() as u64;
    let last = |hashers: &[Sha256]| hashers.last().cloned().unwrap_or_default();
    let digest = Digest(last(&blob_hashers).chain_update(&tail).finalize().into());
    let diff_id = Digest(last(raw_hashers).finalize().into());
    let frames_reused =
        written.iter().filter(|(_, _, facts)| facts.origin == FrameOrigin::Reused).count();
    let has_frames = job.codec != Codec::None;
    let mut frames = Vec::new();
    if job.index.is_some() {
        let hashers = raw_hashers.iter().zip(&blob_hashers);
        frames = written
            .iter()
            .zip(&plan.keys)
            .zip(hashers)
            .map(|((&(offset, length, facts), &key), (raw, blob))| HeldFrame {
                key,
                offset,
                length,
                crc: facts.crc,
                checksum: facts.checksum,
                raw_checksum: facts.raw_checksum,
                after: Hashers { raw: raw.clone(), blob: blob.clone() },
            })
            .collect();
    }
    let history = job.wants_table.then(|| EntryHistory::new(job.entries));
    let table = job.wants_table.then(|| FrameTable {
        frames: plan
            .frames
            .iter()
            .zip(&written)
            .map(|(frame, &(_, length, facts))| WrittenFrame {
                cut: cut_frame(job.entries, frame),
                length: length as u64,
                origin: facts.origin,
            })
            .collect(),
        changed: job.before.map(|before| before.changed(job.entries)),
    });
    seconds.total = start.elapsed().as_secs_f64();
    Ok(AssembledLayer {
        descriptor: Descriptor::new(job.codec, digest, size, diff_id),
        counts: LayerCounts {
            format_version: FORMAT_VERSION,
            frames_made: if has_frames { written.len() - frames_reused } else { 0 },
            frames_reused: if has_frames { frames_reused } else { 0 },
            bytes_raw: plan.size(),
            bytes_compressed: size,
            seconds,
        },
        frames,
        table,
        history,
    })
}

#[cfg(test)]
mod tests;
