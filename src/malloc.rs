//! How glibc's malloc gives memory back.
//!
//! Knows the variables that glibc reads when a process starts; must not know what the process does.

/// Allocations of so many bytes are mapped alone, and go back to the system once they are freed. It is the most that glibc
/// takes: what is mapped anew for each request is cleared anew, page by page, for a third of a warm request's time.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED_ALONE: &str = "33554432";
/// So many free bytes at the end of the heap go back to the system: a request of 40,000 rows takes less.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const TRIMMED: &str = "67108864";
/// All threads share one heap: each of several would keep so much.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS: &str = "1";

/// Starts the program again in this process, with one heap and thresholds that stay as they are, unless the caller has set
/// some.
///
/// By default glibc has eight heaps per core: a worker that has 100 MB after its first layer would have 300 MB after ten,
/// and keep them between requests. Without unsafe code, only the environment can set how many there are. Returns if
/// there is nothing to set, or nothing can be set.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn restart_with_one_heap() {
    use std::env;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    let settings = [
        ("MALLOC_MMAP_THRESHOLD_", MAPPED_ALONE),
        ("MALLOC_TRIM_THRESHOLD_", TRIMMED),
        ("MALLOC_ARENA_MAX", HEAPS),
    ];
    let names = settings.iter().map(|(name, _)| *name).chain(["GLIBC_TUNABLES"]);
    if names.into_iter().any(|name| env::var_os(name).is_some()) {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    let mut arguments = env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    // Only a failure returns, and the program goes on with what it has.
    let _ = command.args(arguments).envs(settings).exec();
}

/// Does nothing: other allocators have no such thresholds.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn restart_with_one_heap() {}
