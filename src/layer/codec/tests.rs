use std::io::Read;

use sha2::{Digest, Sha256};

use super::*;

fn codecs() -> impl Iterator<Item = Codec> {
    let gzip = (1..=12).filter_map(GzipLevel::new);
    let zstd = [1, 3, 6, 9, 13, 19].into_iter().filter_map(ZstdLevel::new);
    gzip.flat_map(|level| [Codec::Gzip { level }, Codec::GzipSingleMember { level }])
        .chain(zstd.map(|level| Codec::Zstd { level }))
        .chain([Codec::None])
}

/// Bytes of several textures: text, noise, zeros and a mixture; the same on each machine.
fn samples() -> Vec<Vec<u8>> {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let text: Vec<u8> =
        (0..9000).flat_map(|n| format!("def f{n}(x): return x + {n}\n").into_bytes()).collect();
    let random: Vec<u8> = (0..70_000).map(|_| noise()).collect();
    let skewed: Vec<u8> =
        (0..200_000).map(|_| (noise().leading_zeros() as u8 * 17) ^ (noise() & 3)).collect();
    let mut mixed = text[..100_000].to_vec();
    mixed.extend_from_slice(&random);
    mixed.extend_from_slice(&[0; 100_000]);
    mixed.extend_from_slice(&skewed);
    vec![Vec::new(), b"a".to_vec(), vec![0; 300_000], text, random, skewed, mixed]
}

fn encode(encoder: &mut Encoder, raw: &[u8]) -> (Vec<u8>, u32) {
    let mut out = Vec::new();
    let crc = encoder.encode(raw, &mut out).unwrap();
    (out, crc)
}

#[test]
fn equal_bytes_give_equal_output_whatever_was_compressed_before() {
    let samples = samples();
    for codec in codecs() {
        let mut used = Encoder::new(codec).unwrap();
        for sample in samples.iter().chain(samples.iter().rev()) {
            let fresh = encode(&mut Encoder::new(codec).unwrap(), sample);
            assert!(encode(&mut used, sample) == fresh, "{codec:?}, {} bytes", sample.len());
        }
    }
}

#[test]
fn frames_in_a_row_are_read_back_as_their_bytes() {
    let samples = samples();
    let raw = samples.concat();
    for codec in codecs() {
        let mut encoder = Encoder::new(codec).unwrap();
        let mut blob = codec.head().to_vec();
        let mut whole = crc32fast::Hasher::new();
        for sample in &samples {
            let (frame, crc) = encode(&mut encoder, sample);
            whole.combine(&crc32fast::Hasher::new_with_initial_len(crc, sample.len() as u64));
            blob.extend_from_slice(&frame);
        }
        blob.extend_from_slice(&codec.tail(whole.finalize(), raw.len() as u64));
        let read = match codec {
            Codec::None => blob,
            Codec::Zstd { .. } => zstd::decode_all(&blob[..]).unwrap(),
            Codec::Gzip { .. } => {
                let mut read = Vec::new();
                flate2::read::MultiGzDecoder::new(&blob[..]).read_to_end(&mut read).unwrap();
                read
            }
            Codec::GzipSingleMember { .. } => {
                let mut read = Vec::new();
                let mut reader = flate2::bufread::GzDecoder::new(&blob[..]);
                reader.read_to_end(&mut read).unwrap();
                assert_eq!(reader.into_inner(), b"", "{codec:?}: one member is all");
                read
            }
        };
        assert!(read == raw, "{codec:?}");
    }
}

/// If this fails after an update of a codec's crate, the format version must be raised: layers then differ from those of
/// earlier versions.
#[test]
fn the_output_of_each_codec_is_the_one_of_this_format_version() {
    let mut digests = Vec::new();
    let gzip = GzipLevel::default();
    for codec in [
        Codec::Gzip { level: gzip },
        Codec::GzipSingleMember { level: gzip },
        Codec::Zstd { level: ZstdLevel::default() },
    ] {
        let mut encoder = Encoder::new(codec).unwrap();
        let mut hasher = Sha256::new();
        for sample in samples() {
            hasher.update(encode(&mut encoder, &sample).0);
        }
        digests.push(
            hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>(),
        );
    }
    assert_eq!(digests, ["2b017318a3364e22", "6aea344b188d30ee", "6aab37a9d2a387b4"]);
}
