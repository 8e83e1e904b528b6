//! The flags of the process, whichever command it runs.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::fs::Cache;
use crate::server::{self, Protocol};

/// The environment variable that is used if there is no `--record`.
const RECORD: &str = "MTREE_WORKER_RECORD";

/// The options of the process.
#[derive(Clone, Debug)]
pub struct Startup {
    /// Serve requests on stdin.
    pub persistent_worker: bool,
    /// The options of the server.
    pub server: server::ServerOptions,
    /// The most memory of the cache of directories, in bytes.
    pub cache_limit: usize,
    /// The most bytes of outputs that are held for their frames.
    pub frame_limit: u64,
    /// Where to write captures, if anywhere.
    pub record: Option<PathBuf>,
    /// The most bytes of all captures in that directory.
    pub record_limit: u64,
}

#[derive(Args)]
#[command(next_help_heading = "Worker")]
pub(super) struct StartupArgs {
    /// Run as a Bazel persistent worker: read requests from stdin, write responses to stdout.
    #[arg(long = "persistent_worker")]
    pub(super) persistent_worker: bool,
    /// The encoding of requests and responses.
    #[arg(long, value_enum, default_value_t, value_name = "PROTOCOL")]
    protocol: ProtocolArg,
    /// How many requests run at once, and how many threads compress, at most one per core [default: number of cores].
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Limit the memory of the directory cache.
    #[arg(long, value_name = "BYTES", default_value_t = Cache::DEFAULT_LIMIT)]
    cache_limit: usize,
    /// Limit the size of the layers that are held open on the disk, so that their frames can be reused.
    #[arg(long, value_name = "BYTES", default_value_t = 4 << 30)]
    frame_limit: u64,
    /// Limit the length of a request. A longer one ends the worker.
    #[arg(long, value_name = "BYTES", default_value_t = server::ServerOptions::MAX_REQUEST)]
    max_request: u64,
    /// Free the memory of caches after so many seconds without a request.
    #[arg(long, value_name = "SECONDS", default_value_t = server::ServerOptions::IDLE_RELEASE.as_secs())]
    idle_release: u64,
    /// Write a capture of each request to this directory [env: MTREE_WORKER_RECORD].
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Limit the size of all captures in that directory. The oldest are deleted.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30)]
    record_limit: u64,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum ProtocolArg {
    /// Protobuf messages, each preceded by its length as a varint.
    #[default]
    Proto,
    /// JSON objects.
    Json,
}

impl From<StartupArgs> for Startup {
    fn from(args: StartupArgs) -> Self {
        let from_environment = std::env::var_os(RECORD).filter(|directory| !directory.is_empty());
        Self {
            persistent_worker: args.persistent_worker,
            server: server::ServerOptions {
                protocol: match args.protocol {
                    ProtocolArg::Proto => Protocol::Proto,
                    ProtocolArg::Json => Protocol::Json,
                },
                jobs: args
                    .jobs
                    .map_or_else(|| server::ServerOptions::default().jobs, NonZeroUsize::get),
                max_request: args.max_request,
                idle_release: Duration::from_secs(args.idle_release),
            },
            cache_limit: args.cache_limit,
            frame_limit: args.frame_limit,
            record: args.record.or(from_environment.map(PathBuf::from)),
            record_limit: args.record_limit,
        }
    }
}
