//! A Bazel server: commands with a time limit. A test leaves no server behind.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The time limit of a command, in seconds. The longest one builds the program with cargo, on two cores.
const TIME_LIMIT: u32 = 500;

/// How long to wait for a condition that holds within a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The flags of every server. It lives for seconds, in which HotSpot's second compiler and its parallel garbage collector
/// take more of the processor than they save.
const STARTUP: [&str; 4] = [
    "--nohome_rc",
    "--max_idle_secs=300",
    "--host_jvm_args=-XX:TieredStopAtLevel=1",
    "--host_jvm_args=-XX:+UseSerialGC",
];

/// The flags of every build.
const BUILD: [&str; 5] =
    ["build", "--symlink_prefix=/", "--worker_verbose", "--color=no", "--curses=no"];

/// Bazel in one workspace, with one output root. On drop it shuts the server down.
pub struct Bazel {
    workspace: PathBuf,
    output_user_root: PathBuf,
    /// The output base, if it is not the one that Bazel chooses.
    named_base: Option<PathBuf>,
    environment: Vec<(String, String)>,
    without_network: bool,
}

/// The result of a command.
pub struct Said {
    /// Whether the exit status was 0.
    pub success: bool,
    /// What it printed to stdout and stderr.
    pub text: String,
}

/// A build that runs.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Sends the client SIGINT, as Ctrl-C does, and waits for its end.
    pub fn interrupt(mut self) -> Said {
        let client = self.child.id().to_string();
        // timeout(1) passes the signal on to Bazel.
        let sent = Command::new("kill").args(["-INT", &client]).status().expect("kill starts");
        assert!(sent.success(), "the build ended before the signal");
        let status = self.child.wait().expect("the client ends");
        Said { success: status.success(), text: read_log(&self.log) }
    }
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

    /// The number of actions and how they ran: `2 processes: 1 internal, 1 worker.`
    pub fn processes(&self) -> &str {
        let line = self.text.lines().find(|line| line.contains(" processes: "));
        line.map_or("", |line| line.trim_start_matches("INFO: "))
    }
}

impl Bazel {
    /// Bazel in `workspace`, with `output_user_root` for everything that it writes.
    pub fn new(workspace: &Path, output_user_root: &Path) -> Bazel {
        Bazel {
            workspace: workspace.to_owned(),
            output_user_root: output_user_root.to_owned(),
            named_base: None,
            environment: Vec::new(),
            without_network: false,
        }
    }

    /// Bazel in `workspace`, with the given output base.
    pub fn in_output_base(workspace: &Path, output_base: &Path) -> Bazel {
        let root = output_base.with_extension("user_root");
        let mut bazel = Bazel::new(workspace, &root);
        bazel.named_base = Some(output_base.to_owned());
        bazel
    }

    /// Sets an environment variable of Bazel.
    pub fn env(mut self, name: &str, value: &str) -> Bazel {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes the network away from Bazel, also the loopback device: so there is no server.
    pub fn without_network(mut self) -> Bazel {
        self.without_network = true;
        self
    }

    /// Runs `bazel build` with targets and flags.
    pub fn build(&self, arguments: &[&str]) -> Said {
        self.run(&[&BUILD[..], arguments].concat(), TIME_LIMIT).expect("Bazel runs")
    }

    /// Starts `bazel build` with targets and flags.
    pub fn start_build(&self, arguments: &[&str]) -> Running {
        let (mut command, log) =
            self.command(&[&BUILD[..], arguments].concat(), TIME_LIMIT).expect("Bazel runs");
        Running { child: command.spawn().expect("Bazel starts"), log }
    }

    /// Runs another command, such as `clean`.
    pub fn command_line(&self, arguments: &[&str]) -> Said {
        self.run(arguments, TIME_LIMIT).expect("Bazel runs")
    }

    /// Runs `bazel build` with targets and flags. Returns the first output of each action that ran, without the
    /// directory of outputs, in byte order.
    pub fn executed(&self, arguments: &[&str]) -> Vec<String> {
        let log = self.output_user_root.with_extension("executed.json");
        let flag = format!("--execution_log_json_file={}", log.display());
        self.build(&[arguments, &[&flag]].concat()).succeeded();
        let log = fs::read_to_string(&log).expect("Bazel writes the log");
        let actions = serde_json::Deserializer::from_str(&log).into_iter::<serde_json::Value>();
        let outputs = actions.map(|action| {
            let action = action.expect("the log is JSON");
            let output = action["listedOutputs"][0].as_str().expect("an action has an output");
            output.rsplit("/bin/").next().unwrap_or_default().to_owned()
        });
        let mut outputs: Vec<_> = outputs.collect();
        outputs.sort_unstable();
        outputs
    }

    /// The path of an output: `app/links.mtree`.
    pub fn output(&self, path: &str) -> PathBuf {
        self.execroot().join("bazel-out/k8-fastbuild/bin").join(path)
    }

    /// The exec root.
    pub fn execroot(&self) -> PathBuf {
        self.output_base().join("execroot/example")
    }

    /// The output base: the directory of `external`, `execroot` and `bazel-workers`.
    pub fn output_base(&self) -> PathBuf {
        match &self.output_bases()[..] {
            [base] => base.clone(),
            bases => panic!("one workspace has one output base, not {bases:?}"),
        }
    }

    fn output_bases(&self) -> Vec<PathBuf> {
        if let Some(base) = &self.named_base {
            return vec![base.clone()];
        }
        let Ok(directories) = fs::read_dir(&self.output_user_root) else { return Vec::new() };
        let directories = directories.filter_map(|entry| Some(entry.ok()?.path()));
        directories.filter(|path| path.join("DO_NOT_BUILD_HERE").exists()).collect()
    }

    /// The logs of the workers of `MtreeMutate` that run, one file for each process.
    pub fn worker_logs(&self) -> Vec<String> {
        self.worker_logs_of("MtreeMutate")
    }

    /// The logs of the workers of a mnemonic.
    pub fn worker_logs_of(&self, mnemonic: &str) -> Vec<String> {
        let ending = format!("-{mnemonic}.log");
        let Ok(directory) = fs::read_dir(self.output_base().join("bazel-workers")) else {
            return Vec::new();
        };
        directory
            .map(|entry| entry.expect("a directory can be read").path())
            .filter(|path| path.to_string_lossy().ends_with(&ending))
            .map(|path| fs::read_to_string(path).expect("a worker's log can be read"))
            .collect()
    }

    /// The process ids of the workers of this server that run.
    pub fn workers(&self) -> Vec<u32> {
        let processes = fs::read_dir("/proc").expect("/proc is mounted");
        let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        ids.filter(|&id| self.is_worker(id)).collect()
    }

    /// Whether a process is a worker of this server.
    pub fn is_worker(&self, id: u32) -> bool {
        let Ok(arguments) = fs::read(format!("/proc/{id}/cmdline")) else { return false };
        let mut arguments = arguments.split(|&byte| byte == 0);
        let Ok(directory) = fs::read_link(format!("/proc/{id}/cwd")) else { return false };
        arguments.any(|argument| argument == b"--persistent_worker")
            && directory.starts_with(&self.output_user_root)
    }

    /// Waits until `condition` holds, and panics if it does not in time.
    #[track_caller]
    pub fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}");
            sleep(Duration::from_millis(20));
        }
    }

    /// Runs a command with a time limit in seconds.
    fn run(&self, arguments: &[&str], seconds: u32) -> io::Result<Said> {
        let (mut command, log) = self.command(arguments, seconds)?;
        let status = command.status()?;
        let mut text = read_log(&log);
        // The status of timeout(1) itself.
        if status.code() == Some(124) {
            text += &format!("\nkilled after {seconds} seconds");
        }
        Ok(Said { success: status.success(), text })
    }

    /// A command with a time limit in seconds, and the file that it writes to.
    fn command(&self, arguments: &[&str], seconds: u32) -> io::Result<(Command, PathBuf)> {
        let name = format!("{}.log", arguments[0]);
        let log = self.output_user_root.with_extension(name);
        fs::create_dir_all(&self.output_user_root)?;
        // Not a pipe: a server that outlives its client would keep it open.
        let file = File::create(&log)?;
        let stderr = file.try_clone()?;
        let mut command = Command::new("timeout");
        command.args(["--kill-after=10", &seconds.to_string()]);
        if self.without_network {
            command.args(["unshare", "--net"]);
        }
        command.arg("bazel");
        command.arg(format!("--output_user_root={}", self.output_user_root.display()));
        if let Some(base) = &self.named_base {
            command.arg(format!("--output_base={}", base.display()));
        }
        if self.without_network {
            command.arg("--batch");
        }
        command.args(STARTUP);
        command.args(arguments).current_dir(&self.workspace).stdout(file).stderr(stderr);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Ok((command, log))
    }
}

/// The text of a log, or why it cannot be read.
fn read_log(log: &Path) -> String {
    fs::read(log).map_or_else(
        |error| format!("{}: {error}", log.display()),
        |text| String::from_utf8_lossy(&text).into_owned(),
    )
}

impl Drop for Bazel {
    fn drop(&mut self) {
        // This also runs when a test fails, so it must not panic.
        if self.without_network
            || self.output_bases().is_empty()
            || self.run(&["shutdown"], 60).is_ok_and(|said| said.success)
        {
            return;
        }
        // The server does not respond: kill it by its process id. Its workers end with it.
        for base in self.output_bases() {
            if let Ok(pid) = fs::read_to_string(base.join("server/server.pid.txt")) {
                let _ = Command::new("kill").args(["-9", pid.trim()]).status();
            }
        }
    }
}
