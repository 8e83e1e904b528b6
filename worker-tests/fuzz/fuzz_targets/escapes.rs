//! vis(3) escapes, both ways: what is written is read back, and what was read can be written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mtree_worker::mtree::{escape, unescape};

fuzz_target!(|bytes: &[u8]| {
    let mut text = Vec::new();
    escape(bytes, &mut text);
    assert!(text.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'=')));
    assert_eq!(unescaped(&text).as_deref(), Some(bytes));

    let Some(stands_for) = unescaped(bytes) else {
        assert!(bytes.contains(&b'\\'), "only a backslash can be a stray");
        return;
    };
    assert!(stands_for.len() <= bytes.len());
    text.clear();
    escape(&stands_for, &mut text);
    assert_eq!(unescaped(&text), Some(stands_for));
});

fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = b"before".to_vec();
    unescape(text, &mut bytes).ok()?;
    Some(bytes.strip_prefix(b"before").expect("what was there stays").to_vec())
}
