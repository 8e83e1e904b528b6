//! The assembler: entries in, a layer out.
//!
//! Knows the steps and the threads that do them: workers make frames, one thread takes the sum of the
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
use super::history::RowHistory;
use super::identity::Functions;
use super::index::{Index, Kept, Sums};
use super::make::{FrameFacts, Maker, SpreadCheck};
use super::permits::Permits;
use super::plan::Plan;
use super::source::ReadSource;
use super::table::{FrameOrigin, FrameTable, WrittenFrame, cut_frame};
use crate::vectored;

/// How many bytes of frames may be under way for each thread that makes them, counted once for each
/// side, uncompressed.
const PER_THREAD: u64 = 8 << 20;

/// One layer to write.
pub struct Job<'j> {
    /// In the order of the layer.
    pub entries: &'j dyn Entries,
    /// How frames are compressed.
    pub codec: Codec,
    /// How many threads read and compress, of this layer and of all others. Two more take sums and write.
    pub permits: &'j Permits,
    /// The memory of frames under way.
    pub buffers: &'j BufferPool,
    /// Reads contents.
    pub source: &'j dyn ReadSource,
    /// Where frames are looked up. Without, no frame is reused, and none can be kept.
    pub index: Option<&'j Index>,
    /// Shared by all requests of a process.
    pub functions: &'j Functions,
    /// Asked before each frame.
    pub is_cancelled: &'j (dyn Fn() -> bool + Sync),
    /// Whether [`AssembledLayer::table`] and [`AssembledLayer::rows`] are wanted.
    pub wants_table: bool,
    /// The rows of the last layer at the same place, if they are known.
    pub before: Option<&'j RowHistory>,
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
    pub frames: Vec<Kept>,
    /// What is in each frame and where it came from, if that was asked for.
    pub table: Option<FrameTable>,
    /// Its rows, for [`Index::hold`], if they were asked for.
    pub rows: Option<RowHistory>,
}

/// A side of a frame on its way to its consumer.
struct BoardItem {
    bytes: Buffer,
    facts: FrameFacts,
}

/// What all threads of a layer share.
#[derive(Clone, Copy)]
struct Stage<'s> {
    job: &'s Job<'s>,
    plan: &'s Plan,
    /// The frames that are made together.
    runs: &'s [Range<usize>],
    /// By run.
    board: &'s Board<Vec<BoardItem>>,
}

/// Writes the layer of `job` to `out`.
///
/// The bytes depend on the entries, the contents and the codec alone: not on the number of threads, nor
/// on what the index holds. On an error something may have been written; of the errors that there are it
/// is the one of the first frame.
pub fn assemble(job: &Job<'_>, out: &mut dyn Write) -> Result<AssembledLayer, LayerError> {
    let start = Instant::now();
    let plan = Plan::new(job.entries, job.codec, job.index);
    let mut seconds = Seconds { plan: start.elapsed().as_secs_f64(), ..Seconds::default() };
    let threads = job.permits.all().get();
    let budget = PER_THREAD * threads as u64;
    let runs = plan.runs();
    let size = |run: &Range<usize>| plan.frames[run.clone()].iter().map(|frame| frame.size).sum();
    let board = Board::new(runs.iter().map(size).collect(), budget);
    let stage = Stage { job, plan: &plan, runs: &runs, board: &board };
    let (written, raw_sums) = std::thread::scope(|scope| {
        let refused = |error| board.fail(0, LayerError::Thread(error));
        let workers = (0..threads).map(|_| Builder::new().spawn_scoped(scope, || work(stage)));
        let workers: Vec<_> = workers.collect();
        let summing = Builder::new().spawn_scoped(scope, || sum_raw(stage)).map_err(refused);
        let workers: Vec<_> =
            workers.into_iter().filter_map(|worker| worker.map_err(refused).ok()).collect();
        let written = write(stage, out);
        for worker in workers {
            seconds.add(&joined(worker));
        }
        (written, summing.ok().and_then(joined))
    });
    if let Some(error) = board.into_error() {
        return Err(error);
    }
    // Without an error, all frames were taken on both sides.
    let (Some(written), Some((raw_sums, hash_raw))) = (written, raw_sums) else {
        return Err(LayerError::Cancelled);
    };
    seconds.hash_raw += hash_raw;
    seconds.add(&written.seconds);
    finish(job, &plan, written, raw_sums, seconds, start, out)
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Makes frames until there are no more.
fn work(Stage { job, plan, runs, board }: Stage<'_>) -> Seconds {
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

/// Takes the sum of the uncompressed tar, and checks contents that are spread over frames. Answers
/// the sum behind each frame; no sums without compression.
fn sum_raw(Stage { job, plan, runs, board }: Stage<'_>) -> Option<(Vec<Sha256>, f64)> {
    let _stop = board.stop_on_panic();
    let head = plan.lookup.head_frames();
    let mut sums: Vec<_> = head.iter().map(|kept| kept.after.raw.clone()).collect();
    let mut sum = sums.last().cloned().unwrap_or_default();
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
                sum.update(item.bytes.as_slice());
                sums.push(sum.clone());
            }
            job.buffers.give(item.bytes);
            seconds += start.elapsed().as_secs_f64();
        }
        board.done(run);
    }
    Some((sums, seconds))
}

/// What the writer learned.
struct WrittenFrames {
    /// By frame: where it stands, its length, and what else is known.
    places: Vec<(u64, usize, FrameFacts)>,
    /// The sum of the output behind each frame.
    sums: Vec<Sha256>,
    size: u64,
    seconds: Seconds,
}

/// Writes the frames in order.
fn write(
    Stage { job, plan, runs, board }: Stage<'_>,
    out: &mut dyn Write,
) -> Option<WrittenFrames> {
    let _stop = board.stop_on_panic();
    let head = plan.lookup.head_frames();
    let mut sums: Vec<_> = head.iter().map(|kept| kept.after.blob.clone()).collect();
    let mut sum = sums.last().cloned().unwrap_or_else(|| Sha256::new_with_prefix(job.codec.head()));
    let (mut seconds, mut places) = (Seconds::default(), Vec::with_capacity(plan.frames.len()));
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
                sum.update(blob);
                sums.push(sum.clone());
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
            places.push((size, length, facts));
            size += length as u64;
            raw_size += plan.frames[number].tar_size();
            job.buffers.give(bytes);
        }
        board.done(run);
        (job.progress)(raw_size, total);
    }
    Some(WrittenFrames { places, sums, size, seconds })
}

/// Writes what stands behind the last frame, and says what was written.
fn finish(
    job: &Job<'_>,
    plan: &Plan,
    written: WrittenFrames,
    raw_sums: Vec<Sha256>,
    mut seconds: Seconds,
    start: Instant,
    out: &mut dyn Write,
) -> Result<AssembledLayer, LayerError> {
    let WrittenFrames { places, sums: blob_sums, mut size, .. } = written;
    // Without compression, both streams are one.
    let raw_sums = if job.codec == Codec::None { &blob_sums } else { &raw_sums };
    let mut crc = crc32fast::Hasher::new();
    if job.codec.needs_crc() {
        for (frame, (_, _, facts)) in plan.frames.iter().zip(&places) {
            crc.combine(&crc32fast::Hasher::new_with_initial_len(facts.crc, frame.tar_size()));
        }
    }
    let tail = job.codec.tail(crc.finalize(), plan.size());
    out.write_all(&tail).and_then(|()| out.flush()).map_err(LayerError::Write)?;
    size += tail.len() as u64;
    let last = |sums: &[Sha256]| sums.last().cloned().unwrap_or_default();
    let digest = Digest(last(&blob_sums).chain_update(&tail).finalize().into());
    let diff_id = Digest(last(raw_sums).finalize().into());
    let frames_reused =
        places.iter().filter(|(_, _, facts)| facts.origin == FrameOrigin::Reused).count();
    let has_frames = job.codec != Codec::None;
    let mut frames = Vec::new();
    if job.index.is_some() {
        let sums = raw_sums.iter().zip(&blob_sums);
        frames = places
            .iter()
            .zip(&plan.keys)
            .zip(sums)
            .map(|((&(offset, length, facts), &key), (raw, blob))| Kept {
                key,
                offset,
                length,
                crc: facts.crc,
                checksum: facts.checksum,
                raw_checksum: facts.raw_checksum,
                after: Sums { raw: raw.clone(), blob: blob.clone() },
            })
            .collect();
    }
    let rows = job.wants_table.then(|| RowHistory::new(job.entries));
    let table = job.wants_table.then(|| FrameTable {
        frames: plan
            .frames
            .iter()
            .zip(&places)
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
            frames_made: if has_frames { places.len() - frames_reused } else { 0 },
            frames_reused: if has_frames { frames_reused } else { 0 },
            bytes_raw: plan.size(),
            bytes_compressed: size,
            seconds,
        },
        frames,
        table,
        rows,
    })
}

#[cfg(test)]
mod tests;
