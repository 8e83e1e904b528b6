//! Many threads use the cache at once. The tests make up the directories; no file system is involved.

use std::convert::Infallible;
use std::sync::Barrier;
use std::thread;

use super::*;

/// A time at which every stamp here is settled.
const LATER: Moment = Moment(1_000_000, 0);

fn stamp(inode: u64, second: i64) -> Stamp {
    let identity = Identity { device: 1, inode };
    Stamp { identity, modified: (second, 0), changed: (second, 0) }
}

/// The cached directory, or an empty one.
fn get_or_add(cache: &Cache, stamp: Stamp, now: Moment) -> Arc<CachedDirectory> {
    let read = || {
        thread::yield_now();
        Ok::<_, Infallible>(CachedDirectory::unlisted(stamp))
    };
    match cache.get_or_read(stamp, now, |_| true, read) {
        Ok((directory, _)) => directory,
        Err(never) => match never {},
    }
}

/// The sum of the bytes of all cached directories.
fn sum_of_bytes(cache: &Cache) -> usize {
    let bytes = |slot: &Arc<Slot>| {
        lock(&slot.state)
            .directory
            .as_ref()
            .map_or(0, |directory| directory.bytes.load(Ordering::Relaxed))
    };
    cache.directories.iter().map(|entry| bytes(entry.value())).sum()
}

/// Runs `work` in eight threads at once, each with its own number.
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
fn held_bytes_are_the_sum_over_the_cached_directories_after_concurrent_changes() {
    // The limit holds about ten of the sixteen directories.
    let cache = Cache::new(10 * CachedDirectory::unlisted(stamp(0, 0)).bytes.into_inner());
    at_once(|thread| {
        for round in 0..20_000_u64 {
            let directory =
                get_or_add(&cache, stamp((round * 7 + thread) % 16, (round / 1000) as i64), LATER);
            cache.add_lookup(&directory, &(round % 50).to_le_bytes(), Entry::Absent);
        }
    });
    assert_eq!(cache.held(), sum_of_bytes(&cache));
    assert!(cache.held() <= cache.limit, "{} of {} bytes", cache.held(), cache.limit);
}

#[test]
fn a_directory_of_a_file_system_without_times_is_not_cached() {
    let cache = Cache::new(usize::MAX);
    let without_times = stamp(1, 0);
    get_or_add(&cache, without_times, LATER);
    assert_eq!((cache.held(), cache.directories.len()), (0, 0));
    get_or_add(&cache, Stamp { changed: (0, 1), ..without_times }, LATER);
    assert_eq!(cache.directories.len(), 1);
}

#[test]
fn a_directory_that_is_not_cached_leaves_no_slot() {
    let cache = Cache::new(usize::MAX);
    let turns = AtomicU64::new(0);
    at_once(|_| {
        for _ in 0..200_000 {
            // All threads want the same directory at about the same time. It changed just now, so it is read
            // and not cached.
            let turn = turns.fetch_add(1, Ordering::Relaxed);
            let stamp = stamp(turn / 8, LATER.0);
            match turn % 8 {
                0 => drop(get_or_add(&cache, stamp, LATER)),
                _ => drop(cache.get(&stamp, |_| true)),
            }
        }
    });
    assert_eq!((cache.directories.len(), cache.held()), (0, 0));
}
