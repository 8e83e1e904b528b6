//! The index of frames: whatever is held, looked up and closed in whatever order, a frame that is found has the
//! key that was looked up and its bytes, and no more is held than the limits allow.

#![no_main]

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use libfuzzer_sys::fuzz_target;
use mtree_worker::layer::{HeldFrame, Index, MOST_OUTPUTS, checksum};
use worker_fuzz::split;

fuzz_target!(|input: &[u8]| {
    let Some((choices, steps)) = split(input) else {
        return;
    };
    let limit = u64::from(choices % 200);
    let index = Index::new(limit);
    // What was held last under each name.
    let mut outputs = HashMap::<u8, Vec<u8>>::new();
    for step in steps.chunks(9) {
        let (head, keys) = step.split_first().expect("chunks are not empty");
        let (name, is_hold) = (head >> 1, head & 1 == 1);
        if is_hold {
            index.hold(&[name], file_of(keys), frames(keys), None);
            outputs.insert(name, keys.to_vec());
            let (count, bytes) = index.held();
            assert!(count <= MOST_OUTPUTS && bytes <= limit, "{count} outputs, {bytes} bytes");
            assert!(count <= outputs.len());
            continue;
        }
        let wanted: Vec<_> = keys.iter().map(|&key| key_of(key)).collect();
        let lookup = index.find(&wanted);
        assert_eq!(lookup.frames.len(), wanted.len());
        for (found, key) in lookup.frames.iter().zip(&wanted) {
            let Some(found) = found else { continue };
            let held = found.held();
            assert!(held.key.is_some() && held.key == *key);
            let mut bytes = [0];
            // The bytes of a frame are its key's, unless somebody changed the output.
            assert!(found.output.read(held, &mut bytes));
            assert_eq!(bytes, [held.key.expect("a key")[0]]);
        }
        // The head: frames of one output, one after the other from its beginning.
        let head = lookup.head_frames();
        assert!(head.len() <= wanted.len());
        assert!(head.iter().zip(&wanted).all(|(held, key)| held.key == *key && key.is_some()));
        assert!(head.iter().enumerate().all(|(number, held)| held.offset == number as u64));
    }
});

/// A frame of key 0 is never held.
fn key_of(key: u8) -> Option<[u8; 32]> {
    let key = key % 40;
    (key != 0).then_some([key; 32])
}

fn file_of(keys: &[u8]) -> File {
    let file = tempfile::tempfile().expect("a file");
    let bytes: Vec<u8> = keys.iter().map(|key| key % 40).collect();
    file.write_all_at(&bytes, 0).expect("it is written");
    file
}

fn frames(keys: &[u8]) -> Vec<HeldFrame> {
    let frame = |(number, &key): (usize, &u8)| HeldFrame {
        key: key_of(key),
        offset: number as u64,
        length: 1,
        crc: 0,
        checksum: checksum(&[key % 40]),
        raw_checksum: None,
        after: Default::default(),
    };
    keys.iter().enumerate().map(frame).collect()
}
