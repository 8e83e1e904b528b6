//! The table: what was measured, as Markdown, so that it can stand in the README as it is.

use std::fs;
use std::time::Duration;

use super::turns::{Timing, Turns};

/// Prints what the table is about: the machine, the tree, the day.
pub fn print_head(tree: &str) {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "{}, {cores} cores, Linux {}; {tree}; {}\n",
        model.unwrap_or("a processor without a name"),
        kernel.trim(),
        today()
    );
    println!("| what | ours | floor | × floor | at most | medians | usual way | runs |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
}

/// Prints one row. `usual` is what the usual way takes, scaled from a sample; zero if there is none.
pub fn print(what: &str, turns: &Turns, at_most: Option<f64>, usual: Duration) {
    let [ours, floor] = turns.taken();
    let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
    let Timing { least, middle } = ours;
    println!(
        "| {what} | {} | {} | {:.2} | {} | {:.2} | {} | {} |",
        time(least),
        time(floor.least),
        ratio(least, floor.least),
        at_most.map(|most| format!("{most}")).unwrap_or_default(),
        ratio(middle, floor.middle),
        if usual.is_zero() { String::new() } else { time(usual) },
        turns.count()
    );
}

fn time(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 0.01 => format!("{:.2} ms", seconds * 1e3),
        seconds if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{seconds:.1} s"),
    }
}

fn today() -> String {
    let date = std::process::Command::new("date").arg("+%F").output();
    date.map(|date| String::from_utf8_lossy(&date.stdout).trim().to_owned()).unwrap_or_default()
}
