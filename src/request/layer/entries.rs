//! The entries of a layer's rows, each made from its row when it is needed.
//!
//! Knows rows and the states of their sources; must not know how these are read, nor what tar makes of entries.

use std::borrow::Cow;
use std::ops::Range;

use hashbrown::HashMap;

use super::super::error::{LayerProblem, RequestError};
use super::super::host::Host;
use super::rows::{LastRow, LayerRows};
use super::{HardLinks, contents};
use crate::layer::hard_links::{self, FileInode, HardLink};
use crate::layer::rows::{FoundContent, Metadata, OnDisk, complete};
use crate::layer::{
    ContentError, ContentIdentity, Entries, EntryKind, LinkText, PlannedEntry, TarEntry,
    hard_link_name,
};
use crate::mtree::RowId;

/// A row that makes an entry, and what is known of its source. It is small: there is one for each row of the layer.
pub(super) struct FoundRow {
    /// Its id in the resolved spec.
    pub id: RowId,
    /// What is known of its content.
    pub content: Option<FoundContent>,
    /// The metadata of its source, if these are needed again.
    pub on_disk: Option<Box<OnDisk>>,
    /// What a plan needs of the entry. `None` if the entry changed since.
    pub planned: Option<PlannedEntry>,
}

/// The entries of a layer.
pub(super) struct RowEntries<'r> {
    layer_rows: &'r LayerRows<'r>,
    metadata: Metadata,
    rows: Vec<FoundRow>,
    /// By number of an entry that is a hard link: the number of the entry that it links to.
    hard_links: HashMap<usize, usize>,
}

impl<'r> RowEntries<'r> {
    /// The entries of `rows`, which [`contents::find`] found.
    pub(super) fn new(
        layer_rows: &'r LayerRows<'r>,
        metadata: Metadata,
        rows: Vec<FoundRow>,
    ) -> Self {
        Self { layer_rows, metadata, rows, hard_links: HashMap::new() }
    }

    /// An error in the row of an entry.
    pub(super) fn error(&self, entry: usize, problem: LayerProblem) -> RequestError {
        self.layer_rows.error(self.rows[entry].id, problem)
    }

    /// Makes hard links of files by `choice`.
    pub(super) fn link(
        &mut self,
        choice: HardLinks,
        host: &mut impl Host,
    ) -> Result<(), RequestError> {
        let links = match choice {
            HardLinks::Never => return Ok(()),
            HardLinks::Inode => {
                hard_links::by_inode((0..self.rows.len()).map(|entry| self.inode(entry)))
            }
            HardLinks::Content => {
                self.tell_apart(host)?;
                hard_links::by_content(self)
            }
        };
        self.hard_links = links.into_iter().map(|HardLink { entry, to }| (entry, to)).collect();
        for entry in self.hard_links.keys() {
            self.rows[*entry].planned = None;
        }
        Ok(())
    }

    /// The kind of an entry, and the file that its source is, if it has a content.
    fn inode(&self, entry: usize) -> (EntryKind, Option<FileInode>) {
        let row = &self.rows[entry];
        let made = self.unlinked(entry);
        let inode = row.on_disk.as_ref().filter(|_| made.content.is_some()).map(|disk| {
            // The row was read before, so it can be read again.
            let keywords = self.layer_rows.merged_row(row.id).map(|row| row.keywords);
            let keywords = keywords.unwrap_or_default();
            // `nochange` prefers the disk here, too.
            let prefers_disk = keywords.is_nochange && self.metadata == Metadata::Disk;
            let links = keywords.nlink.filter(|_| !prefers_disk).unwrap_or(disk.links as u32);
            FileInode { device: disk.stamp.device, inode: disk.stamp.inode, links }
        });
        (made.kind, inode)
    }

    /// Makes identities comparable: contents that may be equal are hashed, unless digests of all of them are listed.
    fn tell_apart(&mut self, host: &mut impl Host) -> Result<(), RequestError> {
        let alike = contents::alike(self);
        let made: Vec<_> = alike.iter().map(|entry| self.unlinked(*entry)).collect();
        let sources = made.iter().filter_map(|entry| entry.content.as_ref());
        let sources: Vec<_> = sources.map(|content| &*content.source).collect();
        let digests = host.hash_sources(&sources)?;
        for ((entry, digest), source) in alike.into_iter().zip(digests).zip(sources) {
            let digest = digest.map_err(|error| {
                let source_path = source.into();
                self.error(entry, ContentError::Read { source_path, error }.into())
            })?;
            let row = &mut self.rows[entry];
            if let Some(content) = &mut row.content {
                content.identity = ContentIdentity::Hashed(digest);
                row.planned = None;
            }
        }
        Ok(())
    }

    /// The entry as if it were no hard link.
    fn unlinked(&self, entry: usize) -> TarEntry {
        self.unlinked_after(&mut None, entry)
    }

    /// As [`RowEntries::unlinked`]. `last` is what was parsed of the row before, if anything was.
    fn unlinked_after<'l>(&'l self, last: &mut Option<LastRow<'l>>, entry: usize) -> TarEntry {
        let FoundRow { id, content, on_disk, .. } = &self.rows[entry];
        // `contents::find` made the entry of this row without an error, and both functions are pure. Of their inputs,
        // `on_disk` is dropped only if `metadata` ignores it, and `tell_apart` replaces an identity alone: no error
        // depends on either.
        let row = self.layer_rows.merged_row_after(last, *id).ok();
        row.and_then(|row| complete(row, self.metadata, on_disk.as_deref(), *content).ok())
            .expect("a row that was found makes an entry")
    }

    /// The entry. `last` is what was parsed of the row before, if anything was.
    fn entry_after<'l>(&'l self, last: &mut Option<LastRow<'l>>, number: usize) -> TarEntry {
        let mut entry = self.unlinked_after(last, number);
        if let Some(to) = self.hard_links.get(&number) {
            entry.link = hard_link_name(&self.unlinked(*to).path).map(LinkText::Hard);
        }
        entry
    }
}

impl Entries for RowEntries<'_> {
    fn count(&self) -> usize {
        self.rows.len()
    }

    fn entry(&self, number: usize) -> Cow<'_, TarEntry> {
        Cow::Owned(self.entry_after(&mut None, number))
    }

    fn range(&self, numbers: Range<usize>) -> Box<dyn Iterator<Item = Cow<'_, TarEntry>> + '_> {
        let mut last = None;
        Box::new(numbers.map(move |number| Cow::Owned(self.entry_after(&mut last, number))))
    }

    fn planned(&self, number: usize) -> PlannedEntry {
        let planned = self.rows[number].planned;
        planned.unwrap_or_else(|| PlannedEntry::new(&self.entry(number), &mut Vec::new()))
    }
}
