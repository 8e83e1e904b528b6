//! `mtree-worker explain`: why rows became what they became, hop by hop.
//!
//! Knows which rows are chosen and where their request comes from. Must not know the rules: what
//! decided is told by [`crate::resolve`].

mod teller;
mod told;

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use crate::again::{self, Again};
use crate::capture::Replaying;
use crate::cli::{ExplainArgs, ResolveArgs};
use crate::command::{Context, Specs};
use crate::error::Error;
use crate::resolve::{self, Inputs, Tale};
use crate::show::Shown;
use crate::site::{Disk, Site};
use crate::tree::Cache;
use teller::{Teller, failed, of_row, shown};
use told::{Colours, Told, written};

/// The most that is told at once, in bytes: a stranger's capture may make it endless.
const MOST: usize = 1 << 30;

/// What was told, as it is printed.
struct Page {
    text: String,
    json: bool,
    colours: Colours,
}

impl Page {
    fn tell(&mut self, told: &Told) -> Result<(), Error> {
        match self.json {
            true => {
                let _ = writeln!(self.text, "{}", serde_json::json!(told));
            }
            false => self.text.push_str(&written(told, &self.colours)),
        }
        match self.text.len() > MOST {
            true => Err(Error::Glob("this says more than 1 GiB: choose fewer rows".to_owned())),
            false => Ok(()),
        }
    }
}

/// Explains what `args` choose. Coloured if `colours`.
pub fn explain(args: ExplainArgs, colours: bool) -> Result<String, Error> {
    let ExplainArgs { paths, mtree, how, json } = args;
    let mut page = Page { text: String::new(), json, colours: Colours(colours) };
    let chosen = match mtree {
        Some(mtree) => {
            let cache = Cache::new(Cache::DEFAULT_LIMIT);
            let context = Context::new(Path::new("."), &cache);
            let args = ResolveArgs { mtree, out: PathBuf::new(), report: None, how };
            let chosen = Chosen::new(&paths)?;
            tell(&args, None, &mut Disk::new(&context), &chosen, &mut page)?;
            chosen
        }
        None => {
            let Some((file, paths)) = paths.split_first() else {
                return Ok(String::new());
            };
            let (file, chosen) = (Path::new(file), Chosen::new(paths)?);
            let capture = again::read_capture(file)?;
            let mut site = Replaying::new(&capture).map_err(|wrong| again::damaged(file, wrong))?;
            let Again { args, inputs } = Again::new(&capture, &mut site)?;
            tell(&args, inputs.as_ref(), &mut site, &chosen, &mut page)?;
            chosen
        }
    };
    if page.text.is_empty() {
        if let Some(patterns) = &chosen.0 {
            let typed: Vec<_> = patterns.iter().map(|pattern| &*pattern.typed).collect();
            return Err(Error::Glob(format!(
                "no row stands at {}; ** chooses every row, and app/** those below app",
                typed.join(", ")
            )));
        }
        if !json {
            page.text.push_str("no row was turned into a link, or left for want of a target\n");
        }
    }
    Ok(page.text)
}

/// The rows that somebody asks for: all that are of note, if none.
struct Chosen(Option<Vec<Pattern>>);

struct Pattern {
    /// As it is shown.
    typed: String,
    glob: GlobMatcher,
}

impl Chosen {
    fn new(patterns: &[OsString]) -> Result<Self, Error> {
        let patterns = patterns.iter().map(|pattern| Pattern::new(pattern));
        let patterns = patterns.collect::<Result<Vec<_>, _>>()?;
        Ok(Self((!patterns.is_empty()).then_some(patterns)))
    }

    fn takes(&self, path: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|patterns| patterns.iter().any(|pattern| pattern.takes(path)))
    }
}

impl Pattern {
    fn new(pattern: &OsStr) -> Result<Self, Error> {
        let text = pattern.to_str().ok_or_else(|| {
            let pattern = Shown(pattern.as_bytes());
            Error::Glob(format!("{pattern}: this pattern is not UTF-8: type it as it is shown"))
        })?;
        // Archive paths have no head, however they are typed.
        let text = text.trim_start_matches("./").trim_start_matches('/').trim_end_matches('/');
        let glob = GlobBuilder::new(text).literal_separator(true).build();
        let glob = glob.map_err(|error| Error::Glob(error.to_string()))?.compile_matcher();
        Ok(Self { typed: shown(text.as_bytes()), glob })
    }

    /// Whether it is this path, to the letter or as it is shown, or a glob of it: `app/[id].js` is a
    /// name too.
    fn takes(&self, path: &[u8]) -> bool {
        self.typed.as_bytes() == path
            || self.glob.is_match(Path::new(OsStr::from_bytes(path)))
            || self.typed == shown(path)
    }
}

fn tell(
    args: &ResolveArgs,
    inputs: Option<&Inputs>,
    site: &mut impl Site,
    chosen: &Chosen,
    page: &mut Page,
) -> Result<(), Error> {
    let Specs { spec, also } = match Specs::read(args, site) {
        Err(error @ Error::Spec { .. }) => return page.tell(&failed("", &error)),
        specs => specs?,
    };
    if args.how.no_resolve {
        for (number, row) in spec.rows().iter().enumerate() {
            if chosen.takes(spec.path(row)) {
                page.tell(&Told {
                    becomes: "itself".to_owned(),
                    because: vec!["--no-resolve: rows are changed, and none is turned".to_owned()],
                    ..of_row(&spec, number)
                })?;
            }
        }
        return Ok(());
    }
    let mut tree = site.tree()?;
    let takes = |path: &[u8]| chosen.takes(path);
    let chosen = chosen.0.is_some().then_some(&takes as resolve::Chosen<'_>);
    let options = args.how.options();
    let told = resolve::explain(&spec, &also, options, inputs, &mut tree, chosen, |tale, tree| {
        let teller = Teller { spec: &spec, how: &args.how, tree };
        page.tell(&match tale {
            Tale::Directory(story) => teller.directory(story),
            Tale::Row(story) => teller.row(story),
        })
    });
    match told {
        Err(error @ (Error::Circle { .. } | Error::MissingTarget { .. })) => {
            let path = match &error {
                Error::Circle { path, .. } | Error::MissingTarget { path, .. } => shown(path),
                _ => String::new(),
            };
            page.tell(&failed(&path, &error))
        }
        told => told,
    }
}
