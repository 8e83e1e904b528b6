//! Trees as Debian, PyPI and npm install them: finding them on this machine, or installing them.
//!
//! A missing tree is an error that says what to install; no test is skipped.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// Where the tree is, or one sentence: why it is missing and what to do.
pub type Located = Result<PathBuf, String>;

/// A virtual environment (`lib64 -> lib`) with a package of large libraries in it. Installed once,
/// below `kept`.
pub fn virtual_environment(kept: &Path) -> Located {
    install(&kept.join("venv"), |directory| {
        run(Command::new("python3").args(["-m", "venv"]).arg(directory), "python3-venv")?;
        run(Command::new(directory.join("bin/pip")).args(["install", "--quiet", "numpy"]), PYPI)
    })
}

/// A `node_modules` of pnpm: every package once, the rest linked directories. Installed once, below
/// `kept`.
pub fn pnpm_packages(kept: &Path) -> Located {
    let app = install(&kept.join("pnpm"), |directory| {
        let npm = ["install", "--loglevel=error", "--no-save", "--prefix", "tool", "pnpm@9"];
        run(Command::new("npm").args(npm).current_dir(directory), "npm")?;
        let app = directory.join("app");
        make_directory(&app)?;
        let mut pnpm = Command::new(directory.join("tool/node_modules/.bin/pnpm"));
        pnpm.args(["add", "--loglevel=error", "--ignore-scripts", "--store-dir", "../store"]);
        pnpm.args(["express@4", "webpack@5", "eslint@9"]);
        run(pnpm.current_dir(&app), NPM)
    })?;
    Ok(app.join("app/node_modules"))
}

/// LLVM with its libraries and headers, whose `build/` is links to directories beside it.
pub fn llvm() -> Located {
    let mut versions: Vec<_> = list("/usr/lib")
        .into_iter()
        .filter(|directory| directory.to_string_lossy().starts_with("/usr/lib/llvm-"))
        .filter(|directory| directory.join("build/lib").exists())
        .collect();
    versions.sort();
    let first = versions.into_iter().next();
    first.ok_or_else(|| missing("/usr/lib/llvm-*/build", "llvm-14-dev"))
}

/// The JDKs, and the linked directories that name the default one.
pub fn jdk() -> Located {
    match Path::new("/usr/lib/jvm/default-java/bin/java").exists() {
        true => Ok("/usr/lib/jvm".into()),
        false => Err(missing("/usr/lib/jvm/default-java", "default-jdk-headless")),
    }
}

/// The directory of this architecture's libraries.
pub fn multiarch_libraries() -> Located {
    let directory = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    match Path::new(&directory).is_dir() {
        true => Ok(directory.into()),
        false => Err(missing(&directory, "libc6")),
    }
}

/// The CPython that `python3` is: its whole installation if it has a directory of its own, else its
/// library.
pub fn cpython() -> Located {
    let program = "import sys, sysconfig; prefix = sys.base_prefix; \
                   print(sysconfig.get_path('stdlib') if prefix == '/usr' else prefix)";
    let said = Command::new("python3").args(["-c", program]).output();
    match said {
        Ok(said) if said.status.success() => {
            Ok(String::from_utf8_lossy(&said.stdout).trim_end().into())
        }
        _ => Err(missing("python3", "python3")),
    }
}

const PYPI: &str = "nothing, but let PyPI be reached";
const NPM: &str = "nothing, but let the npm registry be reached";

fn missing(what: &str, package: &str) -> String {
    format!("{what} is missing: apt-get install {package}, or run worker-tests/run")
}

/// Makes `place` with `make`, unless that was done before. An interrupted run leaves no partial one.
fn install(place: &Path, make: impl FnOnce(&Path) -> Result<(), String>) -> Located {
    let wrong = |error: io::Error| format!("{}: {error}", place.display());
    let above = place.parent().unwrap_or(Path::new("."));
    make_directory(above)?;
    let made = tempfile::tempdir_in(above).map_err(wrong)?;
    if !place.exists() {
        make(made.path())?;
        match fs::rename(made.path(), place) {
            // Another process was faster.
            Err(_) if place.exists() => {}
            renamed => renamed.map_err(wrong)?,
        }
    }
    Ok(place.to_owned())
}

fn make_directory(path: &Path) -> Result<(), String> {
    fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn run(command: &mut Command, needs: &str) -> Result<(), String> {
    let said =
        command.output().map_err(|error| format!("{command:?}: {error}; install {needs}"))?;
    match said.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{command:?}: {}; install {needs}: {}{}",
            said.status,
            String::from_utf8_lossy(&said.stdout),
            String::from_utf8_lossy(&said.stderr)
        )),
    }
}

fn list(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}
