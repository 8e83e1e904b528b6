//! Arguments: whatever stands on a command line or in files of arguments is read, or refused in one
//! sentence.

#![no_main]

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use mtree_worker::{cli, error::Error, flagfile};

// The input: arguments, one a line; behind each NUL a file of arguments: 1, 2 and so on.
fuzz_target!(|input: &[u8]| {
    let mut sections = input.split(|&byte| byte == 0);
    let line = sections.next().unwrap_or_default();
    let files: Vec<_> = sections.collect();
    let read = |path: &Path| {
        let number = path.to_str().and_then(|name| name.parse::<usize>().ok());
        match number.and_then(|number| files.get(number.checked_sub(1)?)) {
            Some(file) => Ok(Bytes::copy_from_slice(file)),
            None if path == Path::new("all") => Ok(Bytes::copy_from_slice(line)),
            None => Err(Error::Usage(format!("{}: no such file", path.display()))),
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
    // A file of arguments stands for its lines. A newline at its end begins no other, and there may
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

    for read in [cli::parse_request, cli::parse_once] {
        match read(expanded.clone()) {
            Ok(args) => {
                assert!(args.mtree != PathBuf::new() && args.out != PathBuf::new());
                let _ = (args.how.options(), args.how.change().is_nothing());
            }
            Err(error) => one_sentence(&error),
        }
    }
});

fn one_sentence(error: &Error) {
    let said = error.to_string();
    assert!(!said.is_empty() && !said.contains('\n'), "{said:?}");
}
