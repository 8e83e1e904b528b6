//! The requests that have been read and not been answered.
//!
//! Knows which of them may begin, and which one a cancel means; must not know what they ask for,
//! nor how they are run.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::Cancel;
use super::request::Request;

/// The id of a request that runs alone (worker_protocol.proto, `request_id`).
const ALONE: i32 = 0;

/// Requests wait here for their turn, and are remembered here while they run.
///
/// Two requests under way with one id are more than the protocol allows, but Bazel before 8.3 sends
/// them: it uses an id again before the request that it has cancelled is answered
/// (bazelbuild/bazel#26251). Their responses cannot be told apart and they may write the same files,
/// so they run one after the other, in the order in which they were sent.
pub(super) struct Queue {
    jobs: usize,
    /// How many requests have been added, so that each has a range in the order of all.
    added: u64,
    /// By range: what may begin next. No two have one id, and none has that of a running one.
    ready: BTreeMap<u64, Waiting>,
    running: HashMap<i32, Cancel>,
    /// By id: what waits for another request with that id to be answered.
    behind: HashMap<i32, VecDeque<(u64, Waiting)>>,
    /// By id: the range of the request that is ready.
    ready_place: HashMap<i32, u64>,
    /// About how much memory those take that have not begun, in bytes.
    held: u64,
}

struct Waiting {
    request: Request,
    size: u64,
}

/// What a cancel did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cancelled {
    /// The request had not begun, will not, and is to be answered now.
    Waiting,
    /// The request has been told, and is answered when it stops.
    Running,
    /// There is no such request, or every one has been cancelled before.
    Nothing,
}

impl Queue {
    /// A queue that lets `jobs` requests run at once, or one if `jobs` is 0.
    pub(super) fn new(jobs: usize) -> Self {
        Queue {
            jobs: jobs.max(1),
            added: 0,
            ready: BTreeMap::new(),
            running: HashMap::new(),
            behind: HashMap::new(),
            ready_place: HashMap::new(),
            held: 0,
        }
    }

    /// Adds a request that came as `length` bytes.
    pub(super) fn add(&mut self, request: Request, length: usize) {
        let size = (length + size_of_val(&request) + size_of_val(&request.arguments[..])) as u64;
        self.held += size;
        self.added += 1;
        let id = request.request_id;
        let waiting = Waiting { request, size };
        if self.running.contains_key(&id) || self.ready_place.contains_key(&id) {
            let others = self.behind.entry(id).or_default();
            others.push_back((self.added, waiting));
        } else {
            self.make_ready(self.added, waiting);
        }
    }

    /// Takes out the next request that may begin now. One that runs alone waits until all that
    /// came before it are answered; `all_written` says that their responses have left.
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
        self.ready_place.remove(&id);
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

    /// Cancels a request. Of several with one id it is the one that came first and has not been
    /// cancelled: if another was meant, that one is answered as if the cancel had come too late,
    /// which is always allowed.
    pub(super) fn cancel(&mut self, id: i32) -> Cancelled {
        if let Some(cancel) = self.running.get(&id) {
            if !cancel.is_cancelled() {
                cancel.cancel();
                return Cancelled::Running;
            }
        } else if let Some(range) = self.ready_place.remove(&id) {
            if let Some(waiting) = self.ready.remove(&range) {
                self.held -= waiting.size;
            }
            self.ready_next(id);
            return Cancelled::Waiting;
        }
        match self.next_behind(id) {
            Some((_, waiting)) => {
                self.held -= waiting.size;
                Cancelled::Waiting
            }
            None => Cancelled::Nothing,
        }
    }

    /// Forgets what has not begun and tells what runs to stop.
    pub(super) fn give_up(&mut self) {
        self.ready.clear();
        self.ready_place.clear();
        self.behind.clear();
        self.held = 0;
        self.running.values().for_each(Cancel::cancel);
    }

    /// True if nothing waits and nothing runs.
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.running.is_empty()
    }

    /// About how much memory the requests take that have not begun, in bytes.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    fn make_ready(&mut self, range: u64, waiting: Waiting) {
        self.ready_place.insert(waiting.request.request_id, range);
        self.ready.insert(range, waiting);
    }

    fn ready_next(&mut self, id: i32) {
        if let Some((range, waiting)) = self.next_behind(id) {
            self.make_ready(range, waiting);
        }
    }

    fn next_behind(&mut self, id: i32) -> Option<(u64, Waiting)> {
        let others = self.behind.get_mut(&id)?;
        let next = others.pop_front();
        if others.is_empty() {
            self.behind.remove(&id);
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

    /// The ids of all that may begin now.
    fn begun(queue: &mut Queue) -> Vec<i32> {
        std::iter::from_fn(|| queue.begin(true)).map(|(request, _)| request.request_id).collect()
    }

    #[test]
    fn as_many_begin_as_there_are_jobs_in_the_order_sent() {
        let mut queue = queue(2, &[5, 3, 4]);
        assert_eq!(begun(&mut queue), [5, 3]);
        queue.end(3);
        assert_eq!(begun(&mut queue), [4]);
        queue.end(5);
        queue.end(4);
        assert!(queue.is_empty());
        assert_eq!(queue.held(), 0);
    }

    #[test]
    fn request_id_0_waits_for_those_before_it_and_holds_those_behind_it() {
        let mut queue = queue(8, &[1, 1, 0, 0, 2]);
        assert_eq!(begun(&mut queue), [1]);
        queue.end(1);
        assert_eq!(begun(&mut queue), [1]);
        queue.end(1);
        assert!(queue.begin(false).is_none());
        assert_eq!(begun(&mut queue), [0]);
        queue.end(0);
        assert_eq!(begun(&mut queue), [0]);
        queue.end(0);
        assert_eq!(begun(&mut queue), [2]);
    }

    #[test]
    fn a_second_request_with_one_id_waits_without_holding_up_others() {
        let mut queue = queue(8, &[7, 7, 8]);
        assert_eq!(begun(&mut queue), [7, 8]);
        queue.end(7);
        assert_eq!(begun(&mut queue), [7]);
    }

    #[test]
    fn a_cancel_means_the_first_request_with_its_id_that_is_not_cancelled() {
        let mut queue = queue(1, &[7, 7, 7]);
        assert_eq!(begun(&mut queue), [7]);
        assert_eq!(queue.cancel(7), Cancelled::Running);
        assert_eq!(queue.cancel(7), Cancelled::Waiting);
        assert!(queue.end(7));
        assert_eq!(begun(&mut queue), [7]);
        assert!(!queue.end(7));
        assert_eq!(queue.cancel(7), Cancelled::Nothing);
        assert!(queue.is_empty());
        assert_eq!(queue.held(), 0);
    }

    #[test]
    fn a_request_behind_a_cancelled_one_that_had_not_begun_takes_its_place() {
        let mut queue = queue(1, &[1, 7, 7]);
        assert_eq!(begun(&mut queue), [1]);
        assert_eq!(queue.cancel(7), Cancelled::Waiting);
        queue.end(1);
        assert_eq!(begun(&mut queue), [7]);
    }
}
