//! The flags that say how the process runs, whatever it is asked to do.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::fs::Cache;
use crate::server::{self, Protocol};

/// The environment variable that stands for `--record`.
const RECORD: &str = "MTREE_WORKER_RECORD";

/// How the process runs.
#[derive(Clone, Debug)]
pub struct Startup {
    /// Serve requests on stdin.
    pub persistent_worker: bool,
    /// How to serve them.
    pub server: server::ServerOptions,
    /// The most memory that the cache of directories takes, in bytes.
    pub cache_limit: usize,
    /// Where to write captures, if anywhere.
    pub record: Option<PathBuf>,
    /// The most that the captures in that directory take, in bytes.
    pub record_limit: u64,
}

#[derive(Args)]
#[command(next_help_heading = "Worker")]
pub(super) struct StartupArgs {
    /// Serve requests of Bazel's worker protocol on stdin, and respond on stdout.
    #[arg(long = "persistent_worker")]
    pub(super) persistent_worker: bool,
    /// How requests and responses are written.
    #[arg(long, value_enum, default_value_t, value_name = "PROTOCOL")]
    protocol: ProtocolArg,
    /// How many requests may run at once [default: the number of cores].
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// The most memory for remembering directories.
    #[arg(long, value_name = "BYTES", default_value_t = Cache::DEFAULT_LIMIT)]
    cache_limit: usize,
    /// The longest request to accept.
    #[arg(long, value_name = "BYTES", default_value_t = server::ServerOptions::default().max_request)]
    max_request: u64,
    /// Write a capture of each request to this directory [env: MTREE_WORKER_RECORD].
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// The most that the captures in that directory may take; the oldest are deleted.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30)]
    record_limit: u64,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum ProtocolArg {
    /// Protobuf messages, each preceded by its length.
    #[default]
    Proto,
    /// JSON objects.
    Json,
}

impl From<StartupArgs> for Startup {
    fn from(args: StartupArgs) -> Self {
        let defaults = server::ServerOptions::default();
        let from_environment = std::env::var_os(RECORD).filter(|directory| !directory.is_empty());
        Self {
            persistent_worker: args.persistent_worker,
            server: server::ServerOptions {
                protocol: match args.protocol {
                    ProtocolArg::Proto => Protocol::Proto,
                    ProtocolArg::Json => Protocol::Json,
                },
                jobs: args.jobs.map_or(defaults.jobs, NonZeroUsize::get),
                max_request: args.max_request,
            },
            cache_limit: args.cache_limit,
            record: args.record.or(from_environment.map(PathBuf::from)),
            record_limit: args.record_limit,
        }
    }
}
