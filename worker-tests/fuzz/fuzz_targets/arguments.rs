//! Arguments: whatever stands on a command line or in flag files is read, or refused in one
//! sentence.

#![no_main]

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use mtree_worker::{
    args::{self, ArgsError, Command, Invocation, flagfile},
    error::Sentence,
    request::{Purpose, RequestError},
};

// The input: arguments, one a line; behind each NUL a flag file: 1, 2 and so on.
fuzz_target!(|input: &[u8]| {
    let mut sections = input.split(|&byte| byte == 0);
    let line = sections.next().unwrap_or_default();
    let files: Vec<_> = sections.collect();
    let read = |path: &Path| {
        let number = path.to_str().and_then(|name| name.parse::<usize>().ok());
        match number.and_then(|number| files.get(number.checked_sub(1)?)) {
            Some(file) => Ok(Bytes::copy_from_slice(file)),
            None if path == Path::new("all") => Ok(Bytes::copy_from_slice(line)),
            None => {
                let source = std::io::ErrorKind::NotFound.into();
                let (path, purpose) = (path.to_owned(), Purpose::Arguments);
                Err(ArgsError::Read(RequestError::Read { path, purpose, source }))
            }
        }
    };
    let arguments: Vec<OsString> = match line {
        b"" => Vec::new(),
        _ => {
            line.split(|&byte| byte == b'\n').map(|word| OsString::from_vec(word.into())).collect()
        }
    };

    let expanded = match flagfile::expand(arguments.iter().cloned(), read) {
        Ok(expanded) => expanded,
        Err(error) => return one_sentence(&error),
    };
    // A flag file stands for its lines. A newline at its end begins no other, and there may
    // be one file too many then.
    if !line.ends_with(b"\n")
        && let Ok(from_a_file) = flagfile::expand(["@all".into()], read)
    {
        assert_eq!(from_a_file, expanded);
    }
    // What was expanded stands for itself once each `@` at its head is written twice.
    let escaped = expanded.iter().map(|argument| match argument.as_bytes() {
        bytes @ [b'@', ..] => OsString::from_vec([b"@", bytes].concat()),
        _ => argument.clone(),
    });
    if !expanded.iter().any(|argument| argument.as_bytes().starts_with(b"--flagfile=")) {
        let again = flagfile::expand(escaped, |_| unreachable!("no file is named"));
        assert_eq!(again.ok().as_ref(), Some(&expanded));
    }

    match args::parse_request(expanded.clone()) {
        Ok(request) => assert!(request.mtree != PathBuf::new() && request.out != PathBuf::new()),
        Err(error) => usage(&error.to_string()),
    }
    match args::parse(expanded) {
        Ok(Invocation::Once(_, Command::Resolve(request))) => {
            assert!(request.mtree != PathBuf::new() && request.out != PathBuf::new());
        }
        Ok(_) => {}
        Err(error) => usage(&error.to_string()),
    }
});

fn one_sentence(error: &ArgsError) {
    let text = Sentence(error).to_string();
    assert!(!text.is_empty() && !text.contains('\n'), "{text:?}");
}

/// A usage error has lines, and no character that a terminal obeys.
fn usage(text: &str) {
    let is_plain = |letter: char| letter == '\n' || !letter.is_control();
    assert!(!text.is_empty() && text.chars().all(is_plain), "{text:?}");
}
