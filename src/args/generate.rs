//! What packages of the program hold besides it, made from the command line that clap parses: man pages, and the
//! completions of shells.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Writes man pages, and the completions of bash, fish and zsh.
#[derive(Args)]
pub(super) struct GenerateArgs {
    /// The directory to write to: DIR/man/man1 and DIR/completions. It is made if it does not exist.
    #[arg(value_name = "DIR")]
    pub(super) directory: PathBuf,
}

/// Writes the man pages and completions of the program below a directory.
///
/// # Errors
///
/// If a file cannot be written.
pub fn generate(directory: &Path) -> io::Result<()> {
    let mut command = super::CommandLine::command();

    let pages = directory.join("man/man1");
    fs::create_dir_all(&pages)?;
    clap_mangen::generate_to(command.clone(), &pages)?;

    let completions = directory.join("completions");
    fs::create_dir_all(&completions)?;
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut command, "mtree-worker", &completions)?;
    }
    // clap_complete 4.6 names a subcommand of a program with a hyphen in two ways, so bash would complete no flag.
    let bash = completions.join("mtree-worker.bash");
    let script = fs::read_to_string(&bash)?.replace("mtree__subcmd__worker", "mtree__worker");
    fs::write(&bash, script)
}
