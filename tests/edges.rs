//! The crate has one spine: each module uses only those below it. ARCHITECTURE.md draws it. A name stands for one type.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each module at the top of the crate, and those that it may use.
const ALLOWED: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "args", "capture", "commands", "display", "error", "fs", "log", "malloc", "request",
            "server", "signals", "threads", "worker",
        ],
    ),
    (
        "commands",
        &[
            "archive", "args", "capture", "display", "error", "fs", "layer", "mtree", "oci",
            "path", "request", "resolve", "server", "worker",
        ],
    ),
    ("worker", &["args", "capture", "error", "fs", "request", "resolve", "server", "threads"]),
    (
        "args",
        &["capture", "display", "fs", "layer", "mtree", "oci", "request", "resolve", "server"],
    ),
    ("capture", &["display", "error", "fs", "layer", "mtree", "request", "resolve"]),
    ("request", &["display", "fs", "layer", "mtree", "path", "resolve"]),
    ("layer", &["display", "vectored"]),
    ("oci", &["display"]),
    ("archive", &["display", "path"]),
    ("fs", &["error", "path", "resolve"]),
    ("resolve", &["mtree", "path"]),
    ("mtree", &["path", "vectored"]),
    ("server", &[]),
    ("path", &[]),
    ("display", &[]),
    ("log", &[]),
    ("malloc", &[]),
    ("signals", &[]),
    ("threads", &[]),
    ("vectored", &[]),
    ("error", &[]),
];

/// The files below `directory` whose names end in `extension`.
fn sources(directory: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, extension, found),
            false if path.extension().is_some_and(|found| found == extension) => found.push(path),
            false => {}
        }
    }
}

#[test]
fn each_module_uses_only_modules_below_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, "rs", &mut files);
    let mut edges: BTreeSet<(String, String)> = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let module = file.strip_prefix(&src).unwrap().iter().next().unwrap().to_str().unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for used in code.flat_map(|line| line.split("crate::").skip(1)) {
            let used: String = used
                .chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                .collect();
            edges.insert((module.trim_end_matches(".rs").to_owned(), used));
        }
    }
    for (at, (module, below)) in ALLOWED.iter().enumerate() {
        let later: Vec<_> = ALLOWED[at + 1..].iter().map(|(name, _)| *name).collect();
        assert!(
            below.iter().all(|name| later.contains(name)),
            "{module}: {below:?} must be below it"
        );
        let used = edges.iter().filter(|(user, used)| user == module && used != module);
        let used: Vec<_> = used.map(|(_, used)| used.as_str()).collect();
        assert_eq!(used, *below, "what {module} uses");
        assert!(
            src.join(format!("{module}.rs")).is_file() || src.join(module).is_dir(),
            "{module}"
        );
    }
    let modules = edges
        .iter()
        .map(|(module, _)| module.as_str())
        .filter(|name| !["lib", "main"].contains(name));
    modules.for_each(|name| {
        assert!(ALLOWED.iter().any(|(known, _)| *known == name), "{name} is not listed")
    });
}

/// The type that a line of Rust or of a .proto file defines.
fn defined_type(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().filter(|word| !word.starts_with("pub"));
    let is_definition = match words.next()? {
        "struct" | "enum" | "union" | "trait" | "message" => true,
        // An indented one is a type of a trait or implementation.
        "type" => !line.starts_with(' '),
        _ => false,
    };
    let name = words.next().filter(|_| is_definition)?;
    name.split(|c: char| !c.is_alphanumeric()).next()
}

#[test]
fn a_name_stands_for_one_type() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), "rs", &mut files);
    sources(&root.join("proto"), "proto", &mut files);
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(name) = defined_type(line) {
                let place = format!("{}:{number}", file.display());
                places.entry(name.to_owned()).or_default().push(place);
            }
        }
    }
    assert!(places.len() > 300, "{} types", places.len());
    places.retain(|_, places| places.len() > 1);
    assert!(places.is_empty(), "names of several types: {places:#?}");
}
