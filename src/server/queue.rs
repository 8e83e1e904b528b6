//! The requests that have been read and have no response yet.
//!
//! Knows which of them may begin, and which one a cancel refers to; must not know what they mean, nor how they
//! are run.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::Cancel;
use super::request::Request;

/// The id of a request that runs alone (worker_protocol.proto, `request_id`).
const ALONE: i32 = 0;

/// The waiting and the running requests.
///
/// The protocol does not allow two requests with one id at a time, but Bazel before 8.3 sends them: it reuses
/// an id before it has received the response to the request that it cancelled (bazelbuild/bazel#26251). Bazel
/// cannot distinguish the responses, and the requests may write the same files. So they run one after the
/// other, in the order in which they were sent.
pub(super) struct Queue {
    jobs: usize,
    /// How many requests have been added. This gives each its rank.
    added: u64,
    /// By rank: the requests that may begin next. Their ids differ from each other and from the running ones.
    ready: BTreeMap<u64, Waiting>,
    running: HashMap<i32, Cancel>,
    /// By id: the requests that wait for the response to another request with that id.
    blocked: HashMap<i32, VecDeque<(u64, Waiting)>>,
    /// By id: the rank of the request that is ready.
    ready_rank: HashMap<i32, u64>,
    /// About how much memory the requests take that have not begun, in bytes.
    held: u64,
}

struct Waiting {
    request: Request,
    size: u64,
}

/// What a cancel did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cancelled {
    /// The request had not begun and is removed. Its response is due now.
    Waiting,
    /// The request runs. Its response is due when it stops.
    Running,
    /// There is no such request, or all have been cancelled before.
    Nothing,
}

impl Queue {
    /// A queue that allows `jobs` requests to run at once, or one if `jobs` is 0.
    pub(super) fn new(jobs: usize) -> Self {
        Queue {
            jobs: jobs.max(1),
            added: 0,
            ready: BTreeMap::new(),
            running: HashMap::new(),
            blocked: HashMap::new(),
            ready_rank: HashMap::new(),
            held: 0,
        }
    }

    /// Adds a request of `length` bytes.
    pub(super) fn add(&mut self, request: Request, length: usize) {
        let size = (length + size_of_val(&request) + size_of_val(&request.arguments[..])) as u64;
        self.held += size;
        self.added += 1;
        let id = request.request_id;
        let waiting = Waiting { request, size };
        if self.running.contains_key(&id) || self.ready_rank.contains_key(&id) {
            let others = self.blocked.entry(id).or_default();
            others.push_back((self.added, waiting));
        } else {
            self.make_ready(self.added, waiting);
        }
    }

    /// Takes the next request that may begin now. A request that runs alone waits until the responses to all
    /// requests before it are written, as `all_written` says.
    pub(super) fn begin(&mut self, all_written: bool) -> Option<(Request, Cancel)> {
        let next = self.ready.first_entry()?;
        let may_begin = match next.get().request.request_id {
            ALONE => self.running.is_empty() && all_written,
            _ => self.running.len() < self.jobs && !self.running.contains_key(&ALONE),
        };
        if !may_begin {
            return None;
        }
        let Waiting { request, size } = next.remove();
        let id = request.request_id;
        let cancel = Cancel::default();
        self.held -= size;
        self.ready_rank.remove(&id);
        self.running.insert(id, cancel.clone());
        Some((request, cancel))
    }

    /// Ends the running request `id`. True if it was cancelled.
    pub(super) fn end(&mut self, id: i32) -> bool {
        let Some(cancel) = self.running.remove(&id) else {
            return false;
        };
        self.ready_next(id);
        cancel.is_cancelled()
    }

    /// Cancels the first request with `id` that has not been cancelled. If the cancel referred to another one,
    /// that one ends as if the cancel had arrived too late, which the protocol allows.
    pub(super) fn cancel(&mut self, id: i32) -> Cancelled {
        if let Some(cancel) = self.running.get(&id) {
            if !cancel.is_cancelled() {
                cancel.cancel();
                return Cancelled::Running;
            }
        } else if let Some(rank) = self.ready_rank.remove(&id) {
            if let Some(waiting) = self.ready.remove(&rank) {
                self.held -= waiting.size;
            }
            self.ready_next(id);
            return Cancelled::Waiting;
        }
        match self.next_blocked(id) {
            Some((_, waiting)) => {
                self.held -= waiting.size;
                Cancelled::Waiting
            }
            None => Cancelled::Nothing,
        }
    }

    /// Removes all waiting requests and cancels the running ones.
    pub(super) fn cancel_all(&mut self) {
        self.ready.clear();
        self.ready_rank.clear();
        self.blocked.clear();
        self.held = 0;
        self.running.values().for_each(Cancel::cancel);
    }

    /// True if no request waits and none runs.
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.running.is_empty()
    }

    /// About how much memory the requests take that have not begun, in bytes.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    fn make_ready(&mut self, rank: u64, waiting: Waiting) {
        self.ready_rank.insert(waiting.request.request_id, rank);
        self.ready.insert(rank, waiting);
    }

    fn ready_next(&mut self, id: i32) {
        if let Some((rank, waiting)) = self.next_blocked(id) {
            self.make_ready(rank, waiting);
        }
    }

    fn next_blocked(&mut self, id: i32) -> Option<(u64, Waiting)> {
        let others = self.blocked.get_mut(&id)?;
        let next = others.pop_front();
        if others.is_empty() {
            self.blocked.remove(&id);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(jobs: usize, ids: &[i32]) -> Queue {
        let mut queue = Queue::new(jobs);
        for &request_id in ids {
            let request = Request { request_id, ..Request::default() };
            queue.add(request, 0);
        }
        queue
    }

    /// Begins all requests that may begin now, and returns their ids.
    fn begin_all(queue: &mut Queue) -> Vec<i32> {
        std::iter::from_fn(|| queue.begin(true)).map(|(request, _)| request.request_id).collect()
    }

    #[test]
    fn as_many_requests_begin_as_there_are_jobs_in_the_order_sent() {
        let mut queue = queue(2, &[5, 3, 4]);
        assert_eq!(begin_all(&mut queue), [5, 3]);
        queue.end(3);
        assert_eq!(begin_all(&mut queue), [4]);
        queue.end(5);
        queue.end(4);
        assert!(queue.is_empty());
        assert_eq!(queue.held(), 0);
    }

    #[test]
    fn request_id_0_waits_for_those_before_it_and_blocks_those_after_it() {
        let mut queue = queue(8, &[1, 1, 0, 0, 2]);
        assert_eq!(begin_all(&mut queue), [1]);
        queue.end(1);
        assert_eq!(begin_all(&mut queue), [1]);
        queue.end(1);
        assert!(queue.begin(false).is_none());
        assert_eq!(begin_all(&mut queue), [0]);
        queue.end(0);
        assert_eq!(begin_all(&mut queue), [0]);
        queue.end(0);
        assert_eq!(begin_all(&mut queue), [2]);
    }

    #[test]
    fn a_second_request_with_one_id_waits_without_blocking_others() {
        let mut queue = queue(8, &[7, 7, 8]);
        assert_eq!(begin_all(&mut queue), [7, 8]);
        queue.end(7);
        assert_eq!(begin_all(&mut queue), [7]);
    }

    #[test]
    fn a_cancel_refers_to_the_first_request_with_its_id_that_is_not_cancelled() {
        let mut queue = queue(1, &[7, 7, 7]);
        assert_eq!(begin_all(&mut queue), [7]);
        assert_eq!(queue.cancel(7), Cancelled::Running);
        assert_eq!(queue.cancel(7), Cancelled::Waiting);
        assert!(queue.end(7));
        assert_eq!(begin_all(&mut queue), [7]);
        assert!(!queue.end(7));
        assert_eq!(queue.cancel(7), Cancelled::Nothing);
        assert!(queue.is_empty());
        assert_eq!(queue.held(), 0);
    }

    #[test]
    fn a_request_runs_after_a_waiting_one_with_its_id_is_cancelled() {
        let mut queue = queue(1, &[1, 7, 7]);
        assert_eq!(begin_all(&mut queue), [1]);
        assert_eq!(queue.cancel(7), Cancelled::Waiting);
        queue.end(1);
        assert_eq!(begin_all(&mut queue), [7]);
    }
}
