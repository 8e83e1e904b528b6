//! The cache from many threads at once. What it holds is made up here; no file system is asked.

use std::convert::Infallible;
use std::sync::Barrier;
use std::thread;

use super::*;

/// A moment at which every stamp here is settled.
const LATER: Moment = Moment(1_000_000, 0);

fn stamp(inode: u64, second: i64) -> Stamp {
    let identity = Identity { device: 1, inode };
    Stamp { identity, modified: (second, 0), changed: (second, 0) }
}

/// What was remembered of a directory, or nothing yet.
fn have(cache: &Cache, stamp: Stamp, now: Moment) -> Arc<CachedDirectory> {
    let read = || {
        thread::yield_now();
        Ok::<_, Infallible>(CachedDirectory::by_look_ups(stamp))
    };
    match cache.get_or_read(stamp, now, |_| true, read) {
        Ok((known, _)) => known,
        Err(never) => match never {},
    }
}

/// What the directories that are remembered take, counted anew.
fn counted(cache: &Cache) -> usize {
    let bytes = |slot: &Arc<Slot>| {
        lock(&slot.place).known.as_ref().map_or(0, |known| known.bytes.load(Ordering::Relaxed))
    };
    cache.directories.iter().map(|entry| bytes(entry.value())).sum()
}

/// Runs `work` in eight threads at once, each with its number.
fn at_once(work: impl Fn(u64) + Sync) {
    let begin = Barrier::new(8);
    thread::scope(|scope| {
        for number in 0..8 {
            let (begin, work) = (&begin, &work);
            scope.spawn(move || {
                begin.wait();
                work(number);
            });
        }
    });
}

#[test]
fn what_is_held_is_what_the_remembered_directories_take_however_they_come_and_go() {
    // Room for some ten directories of the sixteen.
    let cache = Cache::new(10 * CachedDirectory::by_look_ups(stamp(0, 0)).bytes.into_inner());
    at_once(|thread| {
        for round in 0..20_000_u64 {
            let known =
                have(&cache, stamp((round * 7 + thread) % 16, (round / 1000) as i64), LATER);
            cache.add(&known, &(round % 50).to_le_bytes(), Entry::Absent);
        }
    });
    assert_eq!(cache.held(), counted(&cache));
    assert!(cache.held() <= cache.limit, "{} of {} bytes", cache.held(), cache.limit);
}

#[test]
fn a_directory_that_is_not_remembered_leaves_no_slot_behind() {
    let cache = Cache::new(usize::MAX);
    let turns = AtomicU64::new(0);
    at_once(|_| {
        for _ in 0..200_000 {
            // Each directory is asked for by all, at about the same time. It changed just now, so that
            // it is read, and forgotten.
            let turn = turns.fetch_add(1, Ordering::Relaxed);
            let stamp = stamp(turn / 8, LATER.0);
            match turn % 8 {
                0 => drop(have(&cache, stamp, LATER)),
                _ => drop(cache.get(&stamp, |_| true)),
            }
        }
    });
    assert_eq!((cache.directories.len(), cache.held()), (0, 0));
}
