//! `mtree-worker explain`: why rows became what they became, hop by hop.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use serde::Serialize;

use crate::again::{self, Again};
use crate::capture::Replaying;
use crate::cli::{ExplainArgs, How, ResolveArgs};
use crate::command::{Context, Specs};
use crate::error::Error;
use crate::path;
use crate::resolve::{
    self, Becomes, FolderStory, Hop, Inputs, MOST_LINKS, MissingTarget, Reason, Staying, Story,
    Tale,
};
use crate::show::Shown;
use crate::site::{Disk, Site, Watched};
use crate::spec::{Kind, Spec};
use crate::tree::Cache;

/// What is told of one row, or of one folder that became a link.
#[derive(Serialize)]
struct Told {
    /// The archive path.
    path: String,
    /// `row` or `folder`.
    of: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    source: String,
    /// Where Bazel put a link before the source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    staging: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    home: Option<String>,
    /// Through how many linked folders the home was reached.
    #[serde(skip_serializing_if = "is_zero")]
    linked_folders: u32,
    /// The text of the link at the home.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trail: Vec<ToldHop>,
    /// What it becomes.
    becomes: String,
    /// The numbers of the rules of DESIGN that decided.
    rules: Vec<u8>,
    /// In words, one for each rule.
    because: Vec<String>,
}

#[derive(Serialize)]
struct ToldHop {
    location: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rows: Vec<String>,
    /// How many more rows are there, of which the first are named.
    #[serde(skip_serializing_if = "is_nothing")]
    more_rows: usize,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    absent: bool,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_nothing(number: &usize) -> bool {
    *number == 0
}

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
            Tale::Folder(story) => teller.folder(story),
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

/// What is told of a row that ended the request.
fn failed(path: &str, error: &Error) -> Told {
    let (rule, what) = match error {
        Error::MissingTarget { .. } => {
            (3, "nothing on its trail is in the archive, and --missing-target=fail".to_owned())
        }
        Error::Circle { .. } => {
            (9, format!("links that go round, or are more than {MOST_LINKS}, are an error"))
        }
        _ => (9, "a row that cannot be read is an error".to_owned()),
    };
    Told {
        path: path.to_owned(),
        of: "row",
        source: String::new(),
        staging: Vec::new(),
        home: None,
        linked_folders: 0,
        link: None,
        trail: Vec::new(),
        becomes: format!("an error: {}", shown(error.to_string().as_bytes())),
        rules: vec![rule],
        because: vec![what],
    }
}

fn shown(bytes: &[u8]) -> String {
    Shown(bytes).to_string()
}

/// What is told of any row.
fn of_row(spec: &Spec, number: usize) -> Told {
    let row = &spec.rows()[number];
    Told {
        path: shown(spec.path(row)),
        of: "row",
        source: shown(spec.source(row)),
        staging: Vec::new(),
        home: None,
        linked_folders: 0,
        link: None,
        trail: Vec::new(),
        becomes: String::new(),
        rules: Vec::new(),
        because: Vec::new(),
    }
}

/// Puts stories into words.
struct Teller<'t, T> {
    spec: &'t Spec,
    how: &'t How,
    tree: &'t T,
}

impl<T: Watched> Teller<'_, T> {
    fn row(&self, story: Story) -> Told {
        let row = &self.spec.rows()[story.row];
        let name = path::split(self.spec.source(row)).1;
        let mut told = of_row(self.spec, story.row);
        let staging = story.stagings.iter();
        told.staging = staging.map(|folder| shown(&self.tree.path(*folder, name))).collect();
        if let Some((folder, linked)) = story.home {
            told.home = Some(shown(&self.tree.path(folder, name)));
            told.linked_folders = linked;
        }
        told.link = story.author.as_deref().map(shown);
        told.trail = story.trail.iter().map(|hop| self.hop(hop)).collect();
        let mut rule = |number: u8, because: String| {
            told.rules.push(number);
            told.because.push(because);
        };
        let declared = row.kind() == Kind::Link;
        match &story.becomes {
            Becomes::Link(text, reason) => {
                if declared {
                    rule(4, "the build declared it a link: it is never inlined".to_owned());
                }
                match reason {
                    Reason::Roundabout => rule(
                        1,
                        "its home is no symlink, and another row with that home was reached \
                         through fewer linked folders"
                            .to_owned(),
                    ),
                    Reason::Hop(hop) => rule(
                        2,
                        format!("hop {} is the first on its trail that is another row", hop + 1),
                    ),
                    Reason::Folder(hop) => rule(
                        2,
                        format!(
                            "hop {} is the first on its trail that is a folder of the archive, and \
                             none is another row",
                            hop + 1
                        ),
                    ),
                    Reason::Nowhere => rule(
                        3,
                        "its relative link leads nowhere at all: there is nothing to inline, so \
                         it is kept as written"
                            .to_owned(),
                    ),
                    Reason::Kept => rule(
                        3,
                        "nothing on its trail is in the archive, and --missing-target=keep keeps \
                         what is relative"
                            .to_owned(),
                    ),
                    Reason::Declared => rule(
                        4,
                        "nothing on its trail is in the archive: it keeps its declared target"
                            .to_owned(),
                    ),
                }
                if matches!(reason, Reason::Hop(_) | Reason::Folder(_) | Reason::Roundabout) {
                    rule(5, text_rule(text, story.author.as_deref()));
                }
                told.becomes = format!("a link to {}", shown(text));
            }
            Becomes::PartOf(folder) => {
                rule(6, format!("{} is one link in the tree, and becomes one", shown(folder)));
                told.becomes = "nothing: it goes with its folder".to_owned();
            }
            Becomes::Itself(staying) => {
                let (number, because) = self.staying(*staying, &story);
                if number > 0 {
                    told.rules.push(number);
                }
                told.because.push(because.to_owned());
                told.becomes = "itself".to_owned();
            }
        }
        told
    }

    fn staying(&self, staying: Staying, story: &Story) -> (u8, &'static str) {
        match staying {
            Staying::Apart => (0, "it takes no part: it is no file or link with a source"),
            Staying::Finished => (4, "it is a finished link, and passes through"),
            Staying::Plain => (1, "its home is no symlink"),
            Staying::Absent => {
                (8, "its source is not there, or not among the inputs: add it to srcs")
            }
            Staying::Unknown => (8, "a folder on the way cannot be read: nothing is known of it"),
            Staying::Contested => {
                (0, "its archive path stands more than once, for different things")
            }
            Staying::Inlined => match self.how.options().missing_target {
                MissingTarget::Keep => (
                    3,
                    "nothing on its trail is in the archive, and --missing-target=keep has no \
                     relative target to keep: its bytes go in",
                ),
                _ if story.trail.iter().any(|hop| !hop.rows.is_empty()) => (
                    3,
                    "no row on its trail can be a target: its archive path is this row's, or \
                     stands for several things: its bytes go in",
                ),
                _ if story.trail.is_empty() => {
                    (3, "its link leads to no location: its bytes go in")
                }
                _ => (3, "nothing on its trail is in the archive: its bytes go in"),
            },
        }
    }

    fn folder(&self, story: FolderStory) -> Told {
        let home = story.home.as_ref();
        Told {
            path: shown(&story.path),
            of: "folder",
            source: String::new(),
            staging: Vec::new(),
            home: home.map(|(folder, name)| shown(&self.tree.path(*folder, name))),
            linked_folders: 0,
            link: story.author.as_deref().map(shown),
            trail: story.trail.iter().map(|hop| self.hop(hop)).collect(),
            becomes: match story.rows {
                1 => format!("a link to {}, in the place of 1 row", shown(&story.text)),
                rows => format!("a link to {}, in the place of {rows} rows", shown(&story.text)),
            },
            rules: vec![6, 5],
            because: vec![
                "it is one symlink in the tree, and what it leads to stands in the archive with \
                 the same rows"
                    .to_owned(),
                text_rule(&story.text, story.author.as_deref()),
            ],
        }
    }

    fn hop(&self, hop: &Hop) -> ToldHop {
        ToldHop {
            location: shown(&self.tree.path(hop.folder, &hop.name)),
            link: hop.text.as_deref().map(shown),
            rows: hop.rows.iter().map(|row| shown(row)).collect(),
            more_rows: hop.more,
            absent: hop.is_absent,
        }
    }
}

fn text_rule(text: &[u8], author: Option<&[u8]>) -> String {
    match author == Some(text) {
        true => "the text is the author's, to the letter".to_owned(),
        false => "the text is the relative path between the two".to_owned(),
    }
}

/// How words are set off on a terminal.
struct Colours(bool);

impl Colours {
    fn paint(&self, code: &str, text: &str) -> String {
        match self.0 {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    fn path(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn label(&self, text: &str) -> String {
        self.paint("2", &format!("  {text:<8}"))
    }

    fn row(&self, text: &str) -> String {
        self.paint("32", text)
    }

    fn rule(&self, text: &str) -> String {
        self.paint("36", &format!("  {text:<8}"))
    }
}

fn written(told: &Told, colours: &Colours) -> String {
    let mut out = String::new();
    let head = match told.of {
        "folder" => format!("{}/", told.path),
        _ if told.path.is_empty() => "(the spec)".to_owned(),
        _ => told.path.clone(),
    };
    let _ = writeln!(out, "{}", colours.path(&head));
    let mut line = |label: &str, text: &str| {
        let _ = writeln!(out, "{}{text}", colours.label(label));
    };
    if !told.source.is_empty() {
        line("source", &told.source);
    }
    for staging in &told.staging {
        line("staging", staging);
    }
    let arrow = |link: &Option<String>| match link {
        Some(text) => format!(" -> {text}"),
        None => String::new(),
    };
    if let Some(home) = &told.home {
        let linked = match told.linked_folders {
            0 => String::new(),
            1 => "  (through 1 linked folder)".to_owned(),
            more => format!("  (through {more} linked folders)"),
        };
        line("home", &format!("{home}{}{linked}", arrow(&told.link)));
    }
    for (number, hop) in told.trail.iter().enumerate() {
        let mut text = format!("{}{}", hop.location, arrow(&hop.link));
        if hop.absent {
            text.push_str("  (nothing there)");
        }
        if !hop.rows.is_empty() {
            let mut rows = hop.rows.join(", ");
            if hop.more_rows > 0 {
                let _ = write!(rows, ", and {} more", hop.more_rows);
            }
            let _ = write!(text, "  {}", colours.row(&format!("is {rows}")));
        }
        line(&format!("hop {}", number + 1), &text);
    }
    line("becomes", &told.becomes);
    let mut rules = told.rules.iter();
    for because in &told.because {
        let label = match rules.next() {
            Some(number) => format!("rule {number}"),
            None => "since".to_owned(),
        };
        let _ = writeln!(out, "{}{because}", colours.rule(&label));
    }
    out
}
