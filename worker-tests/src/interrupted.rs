//! Workers that are ended in the middle of their work.

use std::fs;
use std::thread;

use crate::client::{End, Worker};
use crate::exec_root::{ExecRoot, resolve};
use crate::forest;

/// How many requests run when a worker is ended.
const REQUESTS: i32 = 8;

/// At most this many workers are ended.
const PATIENCE: usize = 1_000;

/// How often one is ended before it has written all its outputs.
const TIMES: usize = 10;

/// An exec root in which workers are ended.
pub struct Interrupted {
    pub exec_root: ExecRoot,
    /// What each output is to be.
    want: String,
}

impl Interrupted {
    /// Starts workers that write several outputs at once, and ends each with `end` as soon as
    /// anything is in the directory of outputs. Every output that exists in the end must be complete, and those of
    /// requests with a response must exist. Then `after` checks how the worker ended.
    pub fn by(end: impl Fn(&Worker), after: impl Fn(&Interrupted, End)) {
        let exec_root = ExecRoot::new("");
        let forest = forest::plant(exec_root.path(), 1_000, 3).expect("a forest can be planted");
        exec_root.write("spec.mtree", forest.spec());
        let want = exec_root.once_resolved(&["--mtree", "spec.mtree"]).expect("it is resolved");
        let this = Interrupted { exec_root, want };
        let (mut ended, mut in_the_middle) = (0, 0);
        while in_the_middle < TIMES {
            ended += 1;
            assert!(ended <= PATIENCE, "only {in_the_middle} workers were ended in the middle");
            let directory = this.exec_root.at("out");
            fs::create_dir(&directory).expect("a directory");
            // Without a cache every request reads the whole tree.
            let mut worker = this.begin(&["--jobs=4", "--cache-limit=0"]);
            while fs::read_dir(&directory).expect("a directory").next().is_none() {
                assert!(worker.runs(), "it ended before it wrote: {}", worker.wait().log);
                thread::yield_now();
            }
            end(&worker);
            let end = worker.wait();
            let written: Vec<i32> =
                (1..=REQUESTS).filter(|id| this.exec_root.has(output(*id))).collect();
            written.iter().for_each(|id| this.assert_written(*id));
            for answer in &end.answers {
                assert_eq!((answer.exit_code, &answer.output[..]), (0, ""), "{answer}");
                assert!(written.contains(&answer.request_id), "{answer} and there is no output");
            }
            in_the_middle += usize::from(written.len() < REQUESTS as usize);
            after(&this, end);
            fs::remove_dir_all(&directory).expect("a directory");
        }
    }

    /// Writes every output with a new worker.
    pub fn write_all(&self) {
        let mut worker = self.begin(&["--jobs=4"]);
        for answer in worker.answers(REQUESTS as usize) {
            assert_eq!((answer.exit_code, &answer.output[..]), (0, ""), "{answer}");
            self.assert_written(answer.request_id);
        }
        assert_eq!(worker.end().code(), 0);
    }

    /// A worker that has received a request for every output.
    fn begin(&self, flags: &[&str]) -> Worker {
        let mut worker = self.exec_root.worker(flags);
        for id in 1..=REQUESTS {
            worker.send(&resolve(id, "spec.mtree", &output(id)));
        }
        worker
    }

    fn assert_written(&self, id: i32) {
        assert_eq!(self.exec_root.read(output(id)), self.want);
    }
}

fn output(id: i32) -> String {
    format!("out/{id}.mtree")
}
