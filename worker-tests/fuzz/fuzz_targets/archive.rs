//! Archives: a layer from a stranger is read to its end, or refused, and takes no more memory than its bytes explain.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mtree_worker::archive::{self, ArchiveError, Compression, ReadArchive};
use worker_fuzz::{Chooser, split, within};

/// What reading takes whatever the archive is, in bytes: most of it is what zstd keeps, and two buffers.
const BASE: usize = 4 << 20;
/// What a byte of a tar may become, in bytes: a member of one block takes less than that.
const A_BYTE: usize = 32;

const BLOCK: usize = 512;

// The input: a tar, whose checksums are made true here if the choices say so; or a compressed layer as it is.
fuzz_target!(|input: &[u8]| {
    let Some((choices, text)) = split(input) else {
        return;
    };
    let mut tar = text.to_vec();
    match choices & 3 {
        0 => {
            let _ = read(&tar, Compression::Gzip);
            let _ = read(&tar, Compression::Zstd);
            return;
        }
        1 => {}
        _ => tar.chunks_exact_mut(BLOCK).for_each(make_true),
    }
    let plain = read(&tar, Compression::None);
    let compressed = zstd::encode_all(&tar[..], 1).expect("it can be compressed");
    let same = read(&compressed, Compression::Zstd);
    match (&plain, same) {
        (Ok(plain), Ok(same)) => {
            assert_eq!(plain.members, same.members);
            assert_eq!((plain.end, plain.raw_len), (same.end, same.raw_len));
            assert_eq!(plain.raw_len, tar.len() as u64);
        }
        (Err(plain), Err(same)) => assert_eq!(plain.to_string(), same.to_string()),
        _ => panic!("one is read, and the other is not"),
    }
    if let Ok(plain) = plain
        && !tar.is_empty()
    {
        let mut chooser = Chooser::new(choices);
        let at = chooser.below(tar.len());
        tar[at] ^= 1 << chooser.below(8);
        if let Ok(other) = read(&tar, Compression::None) {
            let (members, others) = (&plain.members, &other.members);
            assert!(members != others || plain.end != other.end, "byte {at} does not count");
        }
    }
});

fn read(file: &[u8], compression: Compression) -> Result<ReadArchive, ArchiveError> {
    within(BASE + A_BYTE * file.len(), || archive::read(file, compression))
}

/// Writes into a block what its checksum would be if it were a header.
fn make_true(block: &mut [u8]) {
    if block.iter().all(|byte| *byte == 0) {
        return;
    }
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}
