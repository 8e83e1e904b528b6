//! The page of captures of `resolve` and of report files: what links save.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;
use worker_tests::{plant::plant, program};

const SPEC: &str = "\
./app/bin/python type=file size=6000000 content=external/py/bin/python
./app/bin/python3.13 type=file size=6000000 content=external/py/bin/python3.13
./app/lib/a.so type=file size=2000000 content=external/py/lib/a.so
./app/lib/b<script>.so type=file size=2000000 content=external/py/lib/b<script>.so
./app/lib64/a.so type=file size=2000000 content=external/py/lib64/a.so
./app/left type=file size=70000 content=external/py/left
./app/gone type=file content=external/py/gone
";

/// A page made from a capture and a report file of the same request.
struct Page {
    directory: TempDir,
    html: PathBuf,
}

impl Page {
    fn new() -> Page {
        let directory = tempfile::Builder::new().prefix("page-").tempdir().expect("a directory");
        let tree = b"file external/py/bin/python3.13
link external/py/bin/python -> python3.13
file external/py/lib/a.so
link external/py/lib/b<script>.so -> a.so
link external/py/lib64 -> lib
link external/py/left -> ../other/file
file external/other/file";
        plant(directory.path(), tree).expect("the tree can be planted");
        fs::write(directory.path().join("spec.mtree"), SPEC).expect("the spec can be written");
        let run = |arguments: &[&str]| {
            let done = program::run(directory.path(), arguments);
            assert!(done.status.success(), "{}", program::said(&done));
        };
        run(&[
            "--record",
            "captures",
            "resolve",
            "--mtree",
            "spec.mtree",
            "--out",
            "out.mtree",
            "--directory-links=expand",
            "--report",
            "numbers.json",
        ]);
        let capture = fs::read_dir(directory.path().join("captures"))
            .expect("the directory is there")
            .next()
            .expect("there is a capture")
            .expect("it can be listed")
            .path();
        let capture = capture.to_str().expect("UTF-8");
        run(&["report", capture, "numbers.json", "--html", "page.html"]);
        let html = directory.path().join("page.html");
        Page { directory, html }
    }

    /// The DOM of the page, as HTML, after `script` has run in it.
    fn dom(&self, script: &str) -> String {
        let page = fs::read_to_string(&self.html).expect("the page is there");
        let with_script = page.replace("</body>", &format!("<script>{script}</script></body>"));
        let copy = self.directory.path().join("with-script.html");
        fs::write(&copy, with_script).expect("it can be written");
        let done = self.browser(&copy, &["--dump-dom"]);
        String::from_utf8(done.stdout).expect("the browser writes UTF-8")
    }

    /// Runs the browser on a page. Panics if the page writes to its console.
    fn browser(&self, page: &Path, flags: &[&str]) -> Output {
        let done = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .args(["--disable-background-networking", "--enable-logging=stderr"])
            .arg(format!("--user-data-dir={}", self.directory.path().join("browser").display()))
            .args(flags)
            .arg(format!("file://{}", page.display()))
            .output()
            .expect("Debian's chromium is installed");
        let said = program::said(&done);
        assert!(done.status.success(), "{said}");
        assert!(!said.contains("CONSOLE"), "{said}");
        done
    }
}

/// A script that puts the first column of a table into the page's title.
fn column(table: &str) -> String {
    format!(
        "document.title = [...document.querySelectorAll('#{table} tbody tr')]
            .map((row) => row.cells[0].textContent).join('|');"
    )
}

fn title(dom: &str) -> &str {
    let (_, rest) = dom.split_once("<title>").expect("there is a title");
    rest.split_once("</title>").expect("it ends").0
}

#[test]
fn the_page_shows_pictures_and_tables_without_an_error_in_its_console() {
    let page = Page::new();
    let dom = page.dom(&column("savings"));
    assert_eq!(title(&dom), "app/bin/python|app/lib/b&lt;script&gt;.so|app/lib64/a.so");
    for picture in ["sizes", "map", "steps", "directories"] {
        let (_, rest) = dom.split_once(&format!("<svg id=\"{picture}\"")).expect(picture);
        let (drawn, _) = rest.split_once("</svg>").expect("it ends");
        assert!(drawn.contains("<rect"), "{picture} is empty: {drawn}");
    }
    for words in ["6.0 MB", "not in the archive: external/py/left", "numbers.json"] {
        assert!(dom.contains(words), "{words}");
    }
}

#[test]
fn content_saved_is_one_quantity_for_captures_and_for_report_files() {
    let page = Page::new();
    let at = |path: &str| page.directory.path().join(path);
    // The sizes on the disk, which the report file counts, are those that the spec states.
    for (file, size) in [("bin/python3.13", 6_000_000), ("lib/a.so", 2_000_000)] {
        let file = fs::OpenOptions::new().write(true).open(at(&format!("external/py/{file}")));
        file.and_then(|file| file.set_len(size)).expect("it can be made longer");
    }
    for entry in fs::read_dir(at("captures")).expect("it is there") {
        fs::remove_file(entry.expect("it can be listed").path()).expect("it can be removed");
    }
    let run = |arguments: &[&str]| {
        let done = program::run(page.directory.path(), arguments);
        assert!(done.status.success(), "{}", program::said(&done));
    };
    let files = ["--mtree", "spec.mtree", "--out", "out.mtree", "--report", "numbers.json"];
    run(&[&["--record", "captures", "resolve"], &files[..]].concat());
    let mut captures = fs::read_dir(at("captures")).expect("it is there");
    let capture = captures.next().expect("there is one").expect("it can be listed").path();
    run(&["report", capture.to_str().expect("UTF-8"), "numbers.json", "--html", "page.html"]);
    let dom = page.dom(
        "const heads = [...document.querySelectorAll('#layers th')].map((head) => head.textContent);
        const column = (name) => [...document.querySelectorAll('#layers tbody tr')]
            .map((row) => row.cells[heads.indexOf(name)].textContent).join(' and ');
        document.title = [column('Content saved'), column('Archive with links')].join('|');",
    );
    // python, b.so and lib64/a.so become links.
    let (saved, archive) = title(&dom).split_once('|').expect("two columns");
    assert_eq!(saved, "10.0 MB and 10.0 MB");
    assert!(archive.ends_with(" and unknown"), "{archive}");
}

#[test]
fn a_click_on_a_heading_sorts_and_another_click_reverses_the_order() {
    let page = Page::new();
    let click = |times: usize| {
        let click = "document.querySelectorAll('#savings th button')[0].click();";
        let dom = page.dom(&(click.repeat(times) + &column("savings")));
        title(&dom).to_owned()
    };
    let up = click(1);
    let mut down: Vec<_> = up.split('|').collect();
    assert!(down.is_sorted(), "{up}");
    down.reverse();
    assert_eq!(click(2), down.join("|"));
}

#[test]
fn the_filter_keeps_the_rows_that_contain_its_text() {
    let page = Page::new();
    let filter = |text: &str| {
        let script = format!(
            "const field = document.getElementById('filter'); field.value = '{text}';
             field.dispatchEvent(new Event('input'));"
        );
        let dom = page.dom(&(script + &column("savings")));
        title(&dom).to_owned()
    };
    assert_eq!(filter("LIB64"), "app/lib64/a.so");
    assert_eq!(filter("nowhere at all"), "");
}

#[test]
fn the_page_loads_nothing() {
    let page = Page::new();
    let dom =
        page.dom("document.title = performance.getEntriesByType('resource').length + ' requests';");
    assert_eq!(title(&dom), "0 requests");
    let text = fs::read_to_string(&page.html).expect("the page is there");
    let addresses: Vec<_> =
        text.match_indices("://").map(|(at, _)| &text[at - 5..at + 20]).collect();
    assert_eq!(addresses.len(), 1, "{addresses:?}");
    assert!(addresses[0].contains("www.w3.org"), "the name of SVG: {addresses:?}");
    assert!(text.contains("default-src 'none'"));
}

#[test]
fn a_file_that_is_neither_a_capture_nor_a_report_is_one_sentence() {
    let page = Page::new();
    let done =
        program::run(page.directory.path(), &["report", "spec.mtree", "--html", "none.html"]);
    let said = program::said(&done);
    assert_eq!((done.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("neither a capture nor a file that --report wrote"), "{said}");
    assert!(!page.directory.path().join("none.html").exists());
}

#[test]
fn headings_are_not_cut_off_and_pictures_are_as_wide_as_the_window() {
    let page = Page::new();
    let dom = page.dom(
        "const short = [...document.querySelectorAll('th button')]
            .filter((button) => button.offsetWidth > button.parentElement.clientWidth);
        const scaled = [...document.querySelectorAll('svg')]
            .filter((svg) => svg.clientWidth !== svg.parentElement.clientWidth);
        document.title = short.length + ' cut, ' + scaled.length + ' scaled';",
    );
    assert_eq!(title(&dom), "0 cut, 0 scaled");
}

#[test]
fn layers_of_one_name_are_numbered_and_their_files_are_named() {
    let page = Page::new();
    let captures = fs::read_dir(page.directory.path().join("captures")).expect("it is there");
    let capture = captures.map(|entry| entry.expect("it can be listed").path()).next();
    let capture = capture.expect("there is a capture");
    let text = capture.to_str().expect("UTF-8");
    let done = program::run(page.directory.path(), &["report", text, text, "--html", "page.html"]);
    assert!(done.status.success(), "{}", program::said(&done));
    let dom = page.dom(&column("layers"));
    assert_eq!(title(&dom), "out.mtree #1|out.mtree #2");
    let file = capture.file_name().expect("a name").to_str().expect("UTF-8");
    assert!(dom.contains(&format!("<td>{file}</td>")), "{file}");
}

#[test]
fn sizes_that_no_file_has_do_not_overflow() {
    let page = Page::new();
    let huge = SPEC.replace("size=6000000", "size=18446744073709551615");
    fs::write(page.directory.path().join("spec.mtree"), huge).expect("it can be written");
    let run = |arguments: &[&str]| {
        let done = program::run(page.directory.path(), arguments);
        assert!(done.status.success(), "{}", program::said(&done));
    };
    run(&["--record", "huge", "resolve", "--mtree", "spec.mtree", "--out", "out.mtree"]);
    let mut captures = fs::read_dir(page.directory.path().join("huge")).expect("it is there");
    let capture = captures.next().expect("there is one").expect("it can be listed").path();
    run(&["report", capture.to_str().expect("UTF-8"), "--html", "page.html"]);
    let text = fs::read_to_string(&page.html).expect("the page is there");
    assert!(text.contains("\"archive_with_copies\":18446744073709551615"), "it overflowed");
}
