//! A Bazel server: commands with a time limit, and no server left behind.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How long a command may take, in seconds. The longest builds the worker with cargo, on two cores.
const TIME_LIMIT: u32 = 500;

/// Bazel in one workspace, with one output root. Dropped, it shuts the server down.
pub struct Bazel {
    workspace: PathBuf,
    output_user_root: PathBuf,
    environment: Vec<(String, String)>,
}

/// What a command came to.
pub struct Said {
    /// Whether it ended with status 0.
    pub success: bool,
    /// What it printed, stdout first.
    pub text: String,
}

impl Said {
    /// Panics unless the command succeeded.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert!(self.success, "Bazel failed:\n{}", self.text);
        self
    }

    /// Panics unless the command failed.
    #[track_caller]
    pub fn failed(self) -> Self {
        assert!(!self.success, "Bazel did not fail:\n{}", self.text);
        self
    }

    /// Panics unless `words` were printed.
    #[track_caller]
    pub fn saying(self, words: &str) -> Self {
        assert!(self.text.contains(words), "{words:?} is not in:\n{}", self.text);
        self
    }

    /// How many actions ran, and how: `2 processes: 1 internal, 1 worker.`
    pub fn processes(&self) -> &str {
        let line = self.text.lines().find(|line| line.contains(" processes: "));
        line.map_or("", |line| line.trim_start_matches("INFO: "))
    }
}

impl Bazel {
    /// Bazel in `workspace`, keeping all that it keeps in `output_user_root`.
    pub fn new(workspace: &Path, output_user_root: &Path) -> Bazel {
        Bazel {
            workspace: workspace.to_owned(),
            output_user_root: output_user_root.to_owned(),
            environment: Vec::new(),
        }
    }

    /// Sets a variable of the environment that Bazel runs in.
    pub fn env(mut self, name: &str, value: &str) -> Bazel {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Builds: `arguments` are targets and flags.
    pub fn build(&self, arguments: &[&str]) -> Said {
        let mut all =
            vec!["build", "--symlink_prefix=/", "--worker_verbose", "--color=no", "--curses=no"];
        all.extend(arguments);
        self.run(&all, TIME_LIMIT).expect("Bazel runs")
    }

    /// A file that a build has made: `app/links.mtree`.
    pub fn output(&self, path: &str) -> PathBuf {
        self.execroot().join("bazel-out/k8-fastbuild/bin").join(path)
    }

    /// The directory that actions run in.
    pub fn execroot(&self) -> PathBuf {
        self.output_base().join("execroot/example")
    }

    /// The directory of the server's state: `external`, `execroot`, `bazel-workers`.
    pub fn output_base(&self) -> PathBuf {
        match &self.output_bases()[..] {
            [base] => base.clone(),
            bases => panic!("one workspace makes one output base, not {bases:?}"),
        }
    }

    fn output_bases(&self) -> Vec<PathBuf> {
        let Ok(directories) = fs::read_dir(&self.output_user_root) else { return Vec::new() };
        let directories = directories.filter_map(|entry| Some(entry.ok()?.path()));
        directories.filter(|path| path.join("server").is_dir()).collect()
    }

    /// The logs of the workers that are alive: one file a process.
    pub fn worker_logs(&self) -> Vec<String> {
        let Ok(directory) = fs::read_dir(self.output_base().join("bazel-workers")) else {
            return Vec::new();
        };
        directory
            .map(|entry| entry.expect("a directory can be read").path())
            .filter(|path| path.to_string_lossy().ends_with("-MtreeMutate.log"))
            .map(|path| fs::read_to_string(path).expect("a worker's log can be read"))
            .collect()
    }

    /// Runs a command, for so many seconds at most.
    fn run(&self, arguments: &[&str], seconds: u32) -> io::Result<Said> {
        let name = format!("{}.log", arguments[0]);
        let log = self.output_user_root.with_extension(name);
        fs::create_dir_all(&self.output_user_root)?;
        // A file, since a server that outlives its client would keep a pipe open.
        let file = File::create(&log)?;
        let stderr = file.try_clone()?;
        let mut command = Command::new("timeout");
        command.args(["--kill-after=10", &seconds.to_string(), "bazel"]);
        command.arg(format!("--output_user_root={}", self.output_user_root.display()));
        command.args(["--nohome_rc", "--max_idle_secs=300"]);
        command.args(arguments).current_dir(&self.workspace).stdout(file).stderr(stderr);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let status = command.status()?;
        let mut text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        // What timeout(1) says with its status.
        if status.code() == Some(124) {
            text += &format!("\nended by force after {seconds} seconds");
        }
        Ok(Said { success: status.success(), text })
    }
}

impl Drop for Bazel {
    fn drop(&mut self) {
        // A test that fails comes here too, so nothing here may panic.
        if self.output_bases().is_empty()
            || self.run(&["shutdown"], 60).is_ok_and(|said| said.success)
        {
            return;
        }
        // The server does not listen: it is ended by its number. Its workers end with it.
        for base in self.output_bases() {
            if let Ok(pid) = fs::read_to_string(base.join("server/server.pid.txt")) {
                let _ = Command::new("kill").args(["-9", pid.trim()]).status();
            }
        }
    }
}
