//! Writes the man pages and the completions of shells, as `release/build` puts them into the archive:
//! `cargo run --example shell_files -- DIR` makes `DIR/man/man1` and `DIR/completions`.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use clap_complete::Shell;

fn main() -> Result<(), Box<dyn Error>> {
    let directory: PathBuf = std::env::args_os().nth(1).ok_or("usage: shell_files DIR")?.into();
    let mut command = mtree_worker::args::command_line();

    let pages = directory.join("man/man1");
    fs::create_dir_all(&pages)?;
    clap_mangen::generate_to(command.clone().disable_help_subcommand(true), &pages)?;

    let completions = directory.join("completions");
    fs::create_dir_all(&completions)?;
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut command, "mtree-worker", &completions)?;
    }
    // clap_complete 4.6 names a subcommand of a program with a hyphen in two ways, so bash would complete no flag.
    let bash = completions.join("mtree-worker.bash");
    let script = fs::read_to_string(&bash)?.replace("mtree__subcmd__worker", "mtree__worker");
    fs::write(&bash, script)?;
    Ok(())
}
