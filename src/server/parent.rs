//! The parent process. If it ends while another process keeps the worker's stdin open, stdin has no end of input.
//!
//! Knows process ids alone. `PR_SET_PDEATHSIG` is not sufficient: it is sent when the *thread* that started the worker
//! ends.

use std::time::Duration;

use rustix::process::getppid;
use tokio::time::{MissedTickBehavior, interval};

/// How often the id of the parent is read.
const INTERVAL: Duration = Duration::from_secs(1);

/// Returns once the process has another parent than now: init, or another process that adopts orphans. A process that
/// one of these has started itself keeps its parent.
pub(super) async fn ended() {
    let parent = getppid();
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while getppid() == parent {
        ticks.tick().await;
    }
}
