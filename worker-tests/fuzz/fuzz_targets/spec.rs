//! Specs: whatever is read is written back byte for byte, and an edit changes what it names alone.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mtree_worker::mtree::{Change, Edits, Kind, Owner, Row, Spec};
use mtree_worker::path;
use worker_fuzz::{Chooser, split, within};

fuzz_target!(|input: &[u8]| {
    let Some((choices, text)) = split(input) else {
        return;
    };
    let link_is_source = choices & 1 == 1;
    let read = || Spec::parse(text.to_vec(), link_is_source);
    // A directory that is entered is spelled out in each of its rows, up to 4,096 bytes in two of each.
    let Ok(spec) = within((1 << 20) + 4096 * text.len(), read) else {
        return;
    };
    assert_eq!(written(Edits::new(&spec)), text);
    for row in spec.rows().iter().filter(|row| row.takes_part()) {
        assert!(path::is_plain(spec.path(row)), "{:?}", spec.path(row).escape_ascii());
        assert!(!spec.source(row).is_empty());
    }
    let mut chooser = Chooser::new(choices);
    turn_rows(&spec, link_is_source, &mut chooser);
    turn_a_directory(&spec, link_is_source, &mut chooser);
    change_rows(&spec, link_is_source, &mut chooser);
});

/// The bytes of a link's text, and of the source that it is if `link=` holds one.
const LINK: &[u8] = b"../to \\a#b=\xff\n";

fn turn_rows(spec: &Spec, link_is_source: bool, chooser: &mut Chooser) {
    // Resolving turns no row for which `/set` gives a source: the link would have that source too.
    let may_turn = |row: &Row| row.takes_part() && !row.is_below_set_source();
    let turned: Vec<bool> =
        spec.rows().iter().map(|row| may_turn(row) && chooser.below(2) == 1).collect();
    let mut edits = Edits::new(spec);
    for (row, _) in spec.row_ids().zip(&turned).filter(|(_, turned)| **turned) {
        edits.link(row, LINK);
    }
    let text = written(edits);
    let new = again(spec, &text, link_is_source);
    assert_eq!(new.rows().len(), spec.rows().len());
    for ((row, new_row), turned) in spec.rows().iter().zip(new.rows()).zip(turned) {
        assert_eq!(new.path(new_row), spec.path(row));
        if !turned {
            same(spec, row, &new, new_row);
            continue;
        }
        assert_eq!(new_row.kind(), Kind::Link);
        assert_eq!(new.source(new_row), if link_is_source { LINK } else { b"" });
    }
}

fn turn_a_directory(spec: &Spec, link_is_source: bool, chooser: &mut Chooser) {
    let directory_of = |row: &Row| path::split(spec.path(row)).0;
    let Some(row) = spec.rows().get(chooser.below(spec.rows().len())) else {
        return;
    };
    let directory = directory_of(row);
    let goes = |row: &Row| {
        let path = spec.path(row);
        path == directory || path::below(path, directory).is_some()
    };
    if !path::is_plain(directory) || spec.rows().iter().any(|row| goes(row) && !is_plain(spec, row))
    {
        return;
    }
    let rows: Vec<_> = spec.row_ids().filter(|&row| goes(spec.row(row))).collect();
    let keywords = rows[chooser.below(rows.len())];
    let mut edits = Edits::new(spec);
    edits.directory_link(&rows, keywords, directory, LINK);
    let text = written(edits);
    let new = again(spec, &text, link_is_source);
    let at = spec.rows()[..rows[0].0 as usize].iter().filter(|row| !goes(row)).count();
    let link = &new.rows()[at];
    assert_eq!((new.path(link), link.kind()), (directory, Kind::Link));
    let stay = spec.rows().iter().filter(|row| !goes(row));
    let new_rows = new.rows().iter().enumerate().filter(|(number, _)| *number != at);
    let pairs: Vec<_> = stay.zip(new_rows.map(|(_, row)| row)).collect();
    assert_eq!(pairs.len() + 1, new.rows().len());
    for (row, new_row) in pairs {
        assert_eq!(new.path(new_row), spec.path(row));
        same(spec, row, &new, new_row);
    }
}

/// Whether a row may be one of those that a link replaces.
fn is_plain(spec: &Spec, row: &Row) -> bool {
    path::is_plain(spec.path(row)) && !row.is_below_set_source()
}

fn change_rows(spec: &Spec, link_is_source: bool, chooser: &mut Chooser) {
    let some_row = spec.rows().get(chooser.below(spec.rows().len()));
    let directory = some_row.map(|row| path::split(spec.path(row)).0.to_vec());
    let change = Change {
        strip_prefix: directory.filter(|_| chooser.below(2) == 1),
        package_dir: (chooser.below(2) == 1).then(|| b"/o p/#x".to_vec()),
        mtime: (chooser.below(2) == 1).then(|| b"7 \n".to_vec()),
        owner: Owner::default(),
        ..Change::default()
    };
    let strip = change.strip_prefix.clone().unwrap_or_default();
    let package = change.package_dir.as_ref().map(|_| &b"o p/#x"[..]).unwrap_or_default();
    let prefix = path::parts(&strip).collect::<Vec<_>>().join(&b'/');
    let moved = |row: &Row| -> Option<Vec<u8>> {
        let path = spec.path(row);
        let rest = if prefix.is_empty() { path } else { path::below(path, &prefix)? };
        let mut moved = package.to_vec();
        if !rest.is_empty() {
            path::push(&mut moved, rest);
        }
        Some(moved)
    };
    let text = change.apply(spec).text;
    let new = again(spec, &text, link_is_source);
    let stay = spec.rows().iter().filter_map(|row| Some((row, moved(row)?)));
    let stay: Vec<_> = stay.collect();
    // What is made stands before what moves.
    let made = new.rows().len().checked_sub(stay.len()).expect("no row is lost");
    assert!(made <= path::parts(package).count());
    for ((row, path), new_row) in stay.iter().zip(&new.rows()[made..]) {
        assert_eq!(new.path(new_row), path);
        assert_eq!((new_row.kind(), new.source(new_row)), (row.kind(), spec.source(row)));
    }
}

/// Fails unless two rows ask for the same.
fn same(spec: &Spec, row: &Row, new: &Spec, new_row: &Row) {
    assert_eq!(new_row.kind(), row.kind());
    assert_eq!(new.source(new_row), spec.source(row));
    assert!(spec.same_keywords(row, new, new_row));
}

fn written(edits: Edits<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    edits.write_to(&mut out).expect("a Vec takes whatever is written");
    out
}

fn again(spec: &Spec, text: &[u8], link_is_source: bool) -> Spec {
    spec.parse_changed(text.to_vec(), link_is_source)
        .unwrap_or_else(|wrong| panic!("{wrong:?} in {:?}", text.escape_ascii().to_string()))
}
