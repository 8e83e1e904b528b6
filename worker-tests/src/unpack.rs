//! Packing specs with bsdtar, unpacking the archives with several programs, and comparing what was unpacked.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A way to unpack an archive over a tree that is there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unpacker {
    /// GNU tar: writes through a link to a directory.
    GnuTar,
    /// bsdtar with `-P`: writes through a link, too.
    BsdtarThroughLinks,
    /// bsdtar with `-U`: replaces a link by a directory.
    BsdtarInPlaceOfLinks,
}

impl Unpacker {
    pub const ALL: [Unpacker; 3] =
        [Unpacker::GnuTar, Unpacker::BsdtarThroughLinks, Unpacker::BsdtarInPlaceOfLinks];

    /// Unpacks `archive` into the directory `into`. The error is the stderr of the unpacker.
    pub fn unpack(self, archive: &Path, into: &Path) -> Result<(), String> {
        let (program, flags) = match self {
            Unpacker::GnuTar => ("tar", "-xf"),
            Unpacker::BsdtarThroughLinks => ("bsdtar", "-xPf"),
            Unpacker::BsdtarInPlaceOfLinks => ("bsdtar", "-xUf"),
        };
        run(Command::new(program).arg(flags).arg(archive).arg("-C").arg(into))
    }
}

/// Packs the specs into one archive, with their sources relative to `directory`, and unpacks it to
/// `unpacked`, which is made. The error is the stderr of bsdtar.
pub fn pack_and_unpack(directory: &Path, specs: &[&Path], unpacked: &Path) -> Result<(), String> {
    let archive = unpacked.with_extension("tar");
    pack(directory, specs, &archive)?;
    fs::create_dir_all(unpacked).map_err(|error| error.to_string())?;
    run(Command::new("bsdtar").arg("-xf").arg(&archive).arg("-C").arg(unpacked))
}

/// Packs the specs into one archive, with their sources relative to `directory`.
pub fn pack(directory: &Path, specs: &[&Path], archive: &Path) -> Result<(), String> {
    let specs = specs.iter().map(|spec| {
        let mut argument = OsString::from("@");
        argument.push(spec);
        argument
    });
    run(Command::new("bsdtar").current_dir(directory).arg("-cf").arg(archive).args(specs))
}

fn run(command: &mut Command) -> Result<(), String> {
    // Names are bytes: no locale may convert them.
    let done = command.env("LC_ALL", "C").output().map_err(|error| error.to_string())?;
    match done.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&done.stderr).into_owned()),
    }
}

/// How `links` differs from `copies`: under every path that either has, links followed,
/// there must be the same bytes. No link may dangle.
pub fn differences(copies: &Path, links: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    for path in paths(copies) {
        if let Some(why) = difference(&copies.join(&path), &links.join(&path)) {
            wrong.push(format!("{}: {why}", path.display()));
        }
    }
    for path in paths(links) {
        if !copies.join(&path).exists() {
            wrong.push(format!("{}: only with links", path.display()));
        }
    }
    wrong
}

fn difference(copy: &Path, link: &Path) -> Option<&'static str> {
    match (copy.is_dir(), link.is_dir(), fs::read(copy), fs::read(link)) {
        (true, true, ..) => None,
        (false, false, Ok(copy), Ok(link)) if copy == link => None,
        (false, false, Ok(_), Ok(_)) => Some("other bytes"),
        (_, _, _, Err(_)) if link.is_symlink() => Some("a link that leads nowhere"),
        (_, false, _, Err(_)) => Some("only with copies"),
        _ => Some("a directory in one of them"),
    }
}

/// Every path below `directory`, relative to it; linked directories are not entered.
fn paths(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut to_list = vec![PathBuf::new()];
    while let Some(path) = to_list.pop() {
        for entry in fs::read_dir(directory.join(&path)).into_iter().flatten().flatten() {
            let path = path.join(entry.file_name());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                to_list.push(path.clone());
            }
            found.push(path);
        }
    }
    found
}
