//! The log, on stderr.

use worker_tests::client::{Protocol, WorkRequest, Worker, request};
use worker_tests::exec_root::{ExecRoot, resolve};

use crate::{assert_done, assert_failed, python};

/// A worker with `MTREE_WORKER_LOG`, if given.
fn logging(exec_root: &ExecRoot, asked: Option<&str>) -> Worker {
    let mut command = exec_root.command(&["--jobs=4"]);
    if let Some(asked) = asked {
        command.env("MTREE_WORKER_LOG", asked);
    }
    Worker::start(command, Protocol::Proto)
}

/// The lines of a log at one level.
fn lines<'l>(log: &'l str, level: &str) -> Vec<&'l str> {
    let level = format!(" {level} ");
    log.lines().filter(|line| line.contains(&level)).collect()
}

/// The number behind `name=` in a line.
fn number(line: &str, name: &str) -> u64 {
    let name = format!(" {name}=");
    let at = line.find(&name).unwrap_or_else(|| panic!("no {name} in {line}")) + name.len();
    let digits = line[at..].split(|letter: char| !letter.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("{name} in {line}"))
}

#[test]
fn a_request_is_one_line_at_info_with_its_id_and_its_numbers() {
    let exec_root = python();
    let mut worker = logging(&exec_root, None);
    for id in [7, 8] {
        assert_done(&worker.ask(&resolve(id, "spec.mtree", "out.mtree")), id);
    }
    let end = worker.end();
    let lines: Vec<_> = end.log.lines().collect();
    assert_eq!(lines.len(), 2, "{}", end.log);
    for (line, id) in lines.iter().zip([7, 8]) {
        assert!(line.contains(" INFO ") && line.contains(&format!("id={id} ")), "{line}");
        assert_eq!((number(line, "rows"), number(line, "links")), (4, 2));
        // The tree is new, so nothing of it is cached yet.
        let directories = number(line, "directories_listed") + number(line, "directories_reused");
        // The exec root, external, py, bin and lib.
        assert!((4..=5).contains(&directories), "{line}");
        number(line, "milliseconds");
    }
}

#[test]
fn a_request_that_fails_is_one_line_at_info_too() {
    let exec_root = python();
    let mut worker = logging(&exec_root, None);
    assert_failed(&worker.ask(&resolve(9, "gone.mtree", "out.mtree")), 9, &["gone.mtree"]);
    let end = worker.end();
    let lines: Vec<_> = end.log.lines().collect();
    assert_eq!(lines.len(), 1, "{}", end.log);
    assert!(lines[0].contains("id=9 ") && lines[0].contains("gone.mtree"), "{}", lines[0]);
    number(lines[0], "milliseconds");
}

#[test]
fn a_request_with_verbosity_above_0_logs_at_debug_and_no_other_does() {
    for (asked, infos) in [(None, 40), (Some("warn"), 20), (Some("off"), 20)] {
        let exec_root = python();
        let mut worker = logging(&exec_root, asked);
        for id in 1..=40 {
            let verbosity = if id % 2 == 1 { id } else { 0 };
            let asked = resolve(id, "spec.mtree", &format!("out-{id}"));
            worker.send(&WorkRequest { verbosity, ..asked });
        }
        worker.answers(40);
        let end = worker.end();
        let debug = lines(&end.log, "DEBUG");
        for id in 1..=40 {
            let of_it = debug.iter().filter(|line| line.contains(&format!("id={id} "))).count();
            assert_eq!(of_it > 0, id % 2 == 1, "request {id}, log {asked:?}:\n{}", end.log);
        }
        assert!(debug.iter().all(|line| line.contains(" request{id=")), "{}", end.log);
        assert_eq!(lines(&end.log, "INFO").len(), infos, "{asked:?}:\n{}", end.log);
    }
}

#[test]
fn mtree_worker_log_sets_what_is_logged() {
    let log = |asked| {
        let exec_root = python();
        let mut worker = logging(&exec_root, Some(asked));
        assert_done(&worker.ask(&resolve(1, "spec.mtree", "out.mtree")), 1);
        worker.end().log
    };
    assert_eq!(log("off"), "");
    assert_eq!(log("warn"), "");
    assert_eq!(log("").lines().count(), 1);
    assert_eq!(log("info").lines().count(), 1);
    assert!(!lines(&log("debug"), "DEBUG").is_empty());
    // One module alone.
    let server = log("mtree_worker::server=debug");
    assert!(lines(&server, "INFO").is_empty() && !lines(&server, "DEBUG").is_empty(), "{server}");
}

#[test]
fn an_invalid_filter_is_ignored_with_a_warning() {
    let exec_root = python();
    let mut worker = logging(&exec_root, Some("info,=what?"));
    assert_done(&worker.ask(&resolve(1, "spec.mtree", "out.mtree")), 1);
    let end = worker.end();
    let lines: Vec<_> = end.log.lines().collect();
    assert_eq!((end.code(), lines.len()), (0, 2), "{}", end.log);
    assert!(lines[0].starts_with("mtree-worker: warning: MTREE_WORKER_LOG"), "{}", lines[0]);
}

#[test]
fn the_log_has_no_argument_that_might_be_secret() {
    let exec_root = python();
    let mut worker = logging(&exec_root, Some("trace"));
    let arguments = ["resolve", "--mtree=spec.mtree", "--out=out.mtree", "--ownername=hunter2"];
    assert_done(&worker.ask(&WorkRequest { verbosity: 10, ..request(1, &arguments) }), 1);
    let log = worker.end().log;
    assert!(!log.contains("hunter2"), "{log}");
}
