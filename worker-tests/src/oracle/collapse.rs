//! Design rule 6 for the oracle: directories that become one link.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Archive,
    known::Known,
    spec::{self, Keywords, Parts, Row},
    tree::{self, Entry, Location},
    turned::describes_bytes,
};

/// One directory that becomes one link.
pub struct Collapse {
    /// The lines of the rows that are removed, in order.
    pub goes: Vec<usize>,
    pub path: Parts,
    /// The link's text.
    pub text: Vec<u8>,
    /// The line that replaces the first of them.
    pub row: Vec<u8>,
}

/// The rows below an archive directory, by the path below it.
#[derive(Default)]
struct Below<'a> {
    rows: BTreeMap<&'a [Vec<u8>], Vec<&'a Known<'a>>>,
    directory_rows: BTreeMap<&'a [Vec<u8>], Vec<&'a Known<'a>>>,
}

impl Archive<'_> {
    /// Every directory of this spec that becomes one link.
    pub fn collapses(&self) -> Vec<Collapse> {
        let directories = self.directories();
        let mut linked: Vec<Parts> = Vec::new();
        let mut collapses = Vec::new();
        for directory in &directories {
            if linked.iter().any(|outer| directory.starts_with(outer)) {
                continue;
            }
            if let Some(text) = self.directory_link(directory, &directories) {
                self.count("rule 6: a directory");
                linked.push(directory.clone());
                collapses.push(self.collapse(directory, &text));
            }
        }
        collapses
    }

    /// The directories of the archive that have rows with sources below, outermost first.
    fn directories(&self) -> Vec<Parts> {
        let mut directories = BTreeSet::new();
        for row in self.rows.iter().filter(|row| row.source.is_some()) {
            for length in 1..row.row.path.len() {
                directories.insert((length, row.row.path[..length].to_vec()));
            }
        }
        directories.into_iter().map(|(_, directory)| directory).collect()
    }

    /// The directories of the archive below which a row stands as its source stands below the directory at
    /// `location`. At none of them, nor above, stands anything but a directory.
    pub fn directories_at(&self, location: &Location) -> Vec<Parts> {
        let mut directories = self.directories();
        directories.retain(|directory| {
            self.rows.iter().any(|row| {
                let rest = row.row.path.strip_prefix(directory.as_slice());
                rest.is_some_and(|rest| !rest.is_empty() && mirrors_at(row, rest, location))
            }) && !self
                .rows
                .iter()
                .any(|row| directory.starts_with(&row.row.path) && !row.row.is_directory())
        });
        directories
    }

    /// If the archive mirrors a linked directory at `directory`: the text that leads from there to an archive
    /// directory that mirrors its first target to which a text may lead.
    fn directory_link(&self, directory: &Parts, directories: &[Parts]) -> Option<Vec<u8>> {
        let ours = self.below(directory)?;
        if self.rows.iter().any(|row| {
            row.row.path == *directory && !(row.line.is_some() && row.row.is_directory())
                || row.row.path.starts_with(directory)
                    && (row.line.is_none() || !row.row.set_sources.is_empty())
        }) || !self.strangers_fit(directory, &ours, |stranger| stranger.line.is_some())
        {
            return None;
        }
        let mut mirrored = ours.all_rows().map(|(rest, row)| mirrored(row, rest));
        let entry = mirrored.next()??;
        let location = entry.location()?;
        if !mirrored
            .all(|other| other.and_then(|entry| entry.location()).as_ref() == Some(&location))
        {
            return None;
        }
        let text = entry.link()?;
        let trail = tree::follow(&entry, self.root).ok()?;
        trail.locations.iter().find_map(|location| {
            let targets = directories
                .iter()
                .filter(|target| !target.starts_with(directory) && !directory.starts_with(target))
                .filter(|target| !self.overlap(directory, target))
                .filter(|target| self.shows_the_same(&ours, target, location));
            self.choose(directory, targets, Some(&text))
        })
    }

    /// Whether the archive mirrors the directory at `location` at `target`, with rows like `ours`.
    fn shows_the_same(&self, ours: &Below, target: &Parts, location: &Location) -> bool {
        let Some(theirs) = self.below(target) else {
            return false;
        };
        self.rows.iter().all(|row| row.row.path != *target || row.row.is_directory())
            && theirs.all_rows().all(|(rest, row)| mirrors_at(row, rest, location))
            && ours.rows.len() == theirs.rows.len()
            && ours.rows.iter().all(|(rest, ours)| {
                theirs.rows.get(rest).is_some_and(|theirs| are_alike(ours, theirs))
            })
            && ours.directory_rows_are_in(&theirs)
            && theirs.directory_rows_are_in(ours)
            && self.strangers_fit(target, &theirs, |_| true)
    }

    /// Whether a position of one directory is at, above or below one of the other (design rule 10).
    fn overlap(&self, one: &Parts, other: &Parts) -> bool {
        let other = self.links.positions(other);
        self.links
            .positions(one)
            .iter()
            .any(|one| other.iter().any(|other| one.starts_with(other) || other.starts_with(one)))
    }

    /// Whether each row that is not below `directory`, but may be unpacked there (design rule 10), shows
    /// what `below` holds there anyway.
    fn strangers_fit(
        &self,
        directory: &Parts,
        below: &Below,
        is_allowed: impl Fn(&Known) -> bool,
    ) -> bool {
        let positions = self.links.positions(directory);
        self.rows.iter().zip(&self.positions).all(|(row, theirs)| {
            let mut rests = theirs.iter().flat_map(|position| {
                positions.iter().filter_map(|at| position.strip_prefix(at.as_slice()))
            });
            row.row.path.starts_with(directory)
                || rests.all(|rest| is_allowed(row) && below.shows(rest, row))
        })
    }

    /// What stands below `directory`; `None` where a row is there that forbids a link.
    fn below(&self, directory: &Parts) -> Option<Below<'_>> {
        let mut below = Below::default();
        for row in &self.rows {
            let Some(rest) = row.row.path.strip_prefix(directory.as_slice()) else {
                continue;
            };
            if rest.is_empty() {
                continue;
            }
            if row.row.is_directory() {
                below.directory_rows.entry(rest).or_default().push(row);
            } else if row.found.is_some() && self.agree(&row.row.path, |_| true) {
                below.rows.entry(rest).or_default().push(row);
            } else {
                return None;
            }
        }
        Some(below)
    }

    fn collapse(&self, directory: &Parts, text: &[u8]) -> Collapse {
        let gone: Vec<&Known> = self
            .rows
            .iter()
            .filter(|row| row.line.is_some() && row.row.path.starts_with(directory))
            .collect();
        let own = gone.iter().find(|row| row.row.path == *directory);
        Collapse {
            goes: gone.iter().filter_map(|row| row.line).collect(),
            path: directory.clone(),
            text: text.to_vec(),
            row: link_row(directory, own.unwrap_or(&gone[0]).row, gone[0].row, text),
        }
    }
}

impl<'a> Below<'a> {
    fn all_rows(&self) -> impl Iterator<Item = (&'a [Vec<u8>], &'a Known<'a>)> {
        self.rows.iter().flat_map(|(rest, rows)| rows.iter().map(|row| (*rest, *row)))
    }

    /// Whether there is at `rest` what `row` is.
    fn shows(&self, rest: &[Vec<u8>], row: &Known) -> bool {
        match row.row.is_directory() {
            true => {
                self.directory_rows.contains_key(rest)
                    || self.rows.keys().any(|path| path.starts_with(rest) && *path != rest)
            }
            false => self.rows.get(rest).is_some_and(|rows| {
                row.home().is_some() && rows.iter().all(|other| other.home() == row.home())
            }),
        }
    }

    /// Whether each of the directory rows is a directory in `other` too, with the same keywords if it
    /// has a row there.
    fn directory_rows_are_in(&self, other: &Below) -> bool {
        self.directory_rows.iter().all(|(rest, rows)| match other.directory_rows.get(rest) {
            Some(others) => {
                rows.iter().all(|row| others.iter().all(|other| keywords(row) == keywords(other)))
            }
            None => other
                .rows
                .keys()
                .chain(other.directory_rows.keys())
                .any(|path| path.starts_with(rest)),
        })
    }
}

/// The directory that a row mirrors: its source without `rest`, the row's path below that directory.
fn mirrored(row: &Known, rest: &[Vec<u8>]) -> Option<Entry> {
    let last = row.found.as_ref()?.roots.len() - 1;
    mirrored_below(row, rest, last)
}

/// Whether the directory that a row mirrors is at `location` below one of the row's roots.
fn mirrors_at(row: &Known, rest: &[Vec<u8>], location: &Location) -> bool {
    let roots = row.found.as_ref().map_or(0, |found| found.roots.len());
    (0..roots).any(|root| {
        mirrored_below(row, rest, root).and_then(|entry| entry.location()).as_ref()
            == Some(location)
    })
}

/// The directory that a row mirrors, found below the row's root of this number.
fn mirrored_below(row: &Known, rest: &[Vec<u8>], root: usize) -> Option<Entry> {
    let source = spec::parts(row.source.as_ref()?);
    let directory = source.strip_suffix(rest)?;
    let directory = if root == 0 { directory } else { tree::without_leading_ups(directory) };
    tree::directory_entry(&row.found.as_ref()?.roots[root], directory)
}

/// Whether the rows at one path below two directories are the same files with the same keywords, one
/// after the other, and `theirs` were not reached through more linked directories than `ours`.
fn are_alike(ours: &[&Known], theirs: &[&Known]) -> bool {
    ours.len() == theirs.len()
        && ours.iter().zip(theirs).all(|(ours, theirs)| {
            ours.home() == theirs.home()
                && keywords(ours) == keywords(theirs)
                && theirs.linked_directories() <= ours.linked_directories()
        })
}

/// The keywords of a row, without those that say what it is.
fn keywords(row: &Known) -> Keywords {
    let mut keywords = row.row.keywords();
    keywords.retain(|keyword, _| !says_what_it_is(keyword));
    keywords
}

fn says_what_it_is(keyword: &[u8]) -> bool {
    [&b"type"[..], b"content", b"contents", b"link"].contains(&keyword)
}

/// The link row for `directory`, with the keywords of the row `like`, at the line of the row `position`.
fn link_row(directory: &Parts, like: &Row, position: &Row, text: &[u8]) -> Vec<u8> {
    let name = like.fields.get(0).unwrap_or_default();
    let head: &[u8] = match spec::head(name) {
        b"" if directory.len() == 1 => b"./",
        // These would be no rows.
        b"/" if matches!(&directory.join(&b'/')[..], b"set" | b"unset") => b"./",
        head => head,
    };
    let name = [head, &spec::escape(&directory.join(&b'/'))].concat();
    let mut fields = Vec::new();
    let mut has_type = false;
    for field in like.fields.after_name() {
        match spec::cut_at_equals(field).0 {
            b"type" if has_type => {}
            b"type" => {
                has_type = true;
                fields.push(b"type=link".to_vec());
            }
            keyword if says_what_it_is(keyword) || describes_bytes(keyword) => {}
            _ => fields.push(field.to_vec()),
        }
    }
    // What `/set` says of the one row has to be said where it is not in force.
    for (keyword, value) in &like.defaults {
        let is_said = like.fields.after_name().any(|field| spec::cut_at_equals(field).0 == keyword);
        let is_dropped = says_what_it_is(keyword) || describes_bytes(keyword);
        if !is_said && !is_dropped && position.defaults.get(keyword) != Some(value) {
            let value =
                value.as_ref().map(|value| [b"=", value.as_slice()].concat()).unwrap_or_default();
            fields.push([keyword.as_slice(), &value].concat());
        }
    }
    if !has_type && like.kind().as_deref() != Some(b"link") {
        fields.push(b"type=link".to_vec());
    }
    fields.push([b"link=", spec::escape(text).as_slice()].concat());
    let mut line = like.fields.line(&name, fields);
    line.extend_from_slice(position.fields.ending());
    line
}
