//! The comparison of two lists of entries.
//!
//! Pure: two sides in, differences out. Must not know how either was read, nor any words.

use std::cmp::Ordering;

use super::entry::{ComparedEntry, EntryField, FieldValue};
use super::frames::{self, FrameDifference};
use super::side::{DiffSide, LayerParts};
use crate::archive::{HeaderForm, Member, MemberKind};
use crate::resolve::Chosen;

/// How two files differ.
pub(super) struct Comparison<'s> {
    /// Sorted by path.
    pub differences: Vec<EntryDifference<'s>>,
    pub headers: Option<HeaderDifference<'s>>,
    pub order: Option<OrderDifference<'s>>,
    /// How many bytes follow the last entry of each, if these differ.
    pub end: Option<[u64; 2]>,
    pub frames: Option<FrameDifference<'s>>,
    pub not_compared: Option<NotCompared<'s>>,
    pub totals: DiffTotals,
}

impl Comparison<'_> {
    /// Whether something differs.
    pub(super) fn differs(&self) -> bool {
        !self.differences.is_empty()
            || self.headers.is_some()
            || self.order.is_some()
            || self.end.is_some()
            || self.frames.is_some()
    }
}

/// How the entries of one path differ.
pub(super) struct EntryDifference<'s> {
    pub path: &'s [u8],
    /// Which one of the entries with this path, from 0.
    pub occurrence: usize,
    pub change: EntryChange<'s>,
}

/// How an entry differs.
pub(super) enum EntryChange<'s> {
    Added(&'s ComparedEntry),
    Removed(&'s ComparedEntry),
    /// The old one, the new one, and the fields in which they differ.
    Changed([&'s ComparedEntry; 2], Vec<FieldDifference>),
}

impl EntryChange<'_> {
    /// The sizes before and after, where they are known. An entry that is not there has none.
    pub(super) fn bytes(&self) -> [Option<u64>; 2] {
        match self {
            Self::Added(entry) => [Some(0), entry.bytes()],
            Self::Removed(entry) => [entry.bytes(), Some(0)],
            Self::Changed(entries, _) => entries.map(ComparedEntry::bytes),
        }
    }
}

/// A field that differs. `None` where it is absent.
pub(super) struct FieldDifference {
    pub field: EntryField,
    pub values: [Option<FieldValue>; 2],
}

/// Entries with the same fields whose headers have other bytes.
pub(super) struct HeaderDifference<'s> {
    pub count: usize,
    pub first: [&'s Member; 2],
}

/// Entries that are in another order.
pub(super) struct OrderDifference<'s> {
    /// How many must move at least.
    pub moved: usize,
    /// The first of them in the new layer.
    pub first: &'s [u8],
}

/// Files whose contents cannot be compared.
pub(super) struct NotCompared<'s> {
    pub count: usize,
    pub first: &'s [u8],
    /// Whether the first is stored without its holes on one side. Otherwise, a spec has no digest of it.
    pub is_sparse: bool,
}

/// How many entries there are of each kind of difference, and the sizes of both sides.
#[derive(Default)]
pub(super) struct DiffTotals {
    pub added: usize,
    pub removed: usize,
    pub changed: usize,
    pub unchanged: usize,
    /// The sizes of all compared files. `None` if one is unknown.
    pub content: [Option<u64>; 2],
    /// The sizes of the tars, if both are layers and are compared whole.
    pub tar: Option<[u64; 2]>,
    /// The sizes of the compressed layers.
    pub compressed: Option<[u64; 2]>,
}

/// Compares the entries of two files that `chosen` selects. Without it, compares all entries, and also headers, order, end
/// and frames of layers.
pub(super) fn compare<'s>(sides: [&'s DiffSide; 2], chosen: Option<Chosen<'_>>) -> Comparison<'s> {
    let keyed = sides.map(|side| sorted(side, chosen));
    let layers = match [sides[0].layer(), sides[1].layer()] {
        [Some(old), Some(new)] => Some([old, new]),
        _ => None,
    };
    let is_mixed = sides[0].layer().is_some() != sides[1].layer().is_some();
    let mut found = ComparedPairs::default();
    for pair in (Pairs { sides: [&keyed[0], &keyed[1]] }) {
        found.take(pair, is_mixed);
    }
    let ComparedPairs { differences, headers, both, not_compared, mut totals } = found;
    totals.content = [0, 1].map(|side: usize| {
        let mut entries = keyed[side].iter().map(|keyed| keyed.entry.bytes());
        entries.try_fold(0_u64, |sum, bytes| Some(sum.saturating_add(bytes?)))
    });
    let whole = layers.filter(|_| chosen.is_none());
    let size = |parts: [&LayerParts; 2]| parts.map(|parts| parts.raw_len);
    let is_alike = |parts: &[&LayerParts; 2]| parts[0].compression == parts[1].compression;
    let frames = whole.filter(is_alike).and_then(|parts| {
        frames::compare(parts.map(|parts| &parts.frames[..]), sides.map(|side| &side.entries[..]))
    });
    totals.tar = whole.map(size);
    totals.compressed = whole
        .filter(|parts| parts.iter().all(|parts| !parts.frames.is_empty()))
        .map(|parts| parts.map(|parts| parts.frames.iter().map(|frame| frame.len).sum()));
    Comparison {
        differences,
        headers: headers.filter(|_| whole.is_some()),
        order: whole.and_then(|_| order(both, sides[1])),
        end: whole
            .filter(|parts| parts[0].end != parts[1].end)
            .map(|parts| parts.map(|parts| parts.end.len)),
        frames,
        not_compared,
        totals,
    }
}

/// An entry, by its path and by how many of that path are before it.
struct Keyed<'s> {
    path: &'s [u8],
    occurrence: usize,
    number: usize,
    entry: &'s ComparedEntry,
}

fn sorted<'s>(side: &'s DiffSide, chosen: Option<Chosen<'_>>) -> Vec<Keyed<'s>> {
    let entries = side.entries.iter().enumerate();
    let entries = entries.filter(|(_, entry)| chosen.is_none_or(|chosen| chosen(entry.path())));
    let mut keyed: Vec<_> = entries
        .map(|(number, entry)| Keyed { path: entry.path(), occurrence: 0, number, entry })
        .collect();
    keyed.sort_by(|one, other| by_path(one.path, other.path).then(one.number.cmp(&other.number)));
    for at in 1..keyed.len() {
        if keyed[at].path == keyed[at - 1].path {
            keyed[at].occurrence = keyed[at - 1].occurrence + 1;
        }
    }
    keyed
}

/// The order of paths in which a directory is followed by what is below it.
fn by_path(one: &[u8], other: &[u8]) -> Ordering {
    let slash_first = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
    let order = one.iter().map(slash_first).cmp(other.iter().map(slash_first));
    order.then_with(|| one.cmp(other))
}

/// The entries of two sorted sides, in pairs of the same path and occurrence.
struct Pairs<'k, 's> {
    sides: [&'k [Keyed<'s>]; 2],
}

impl<'k, 's> Iterator for Pairs<'k, 's> {
    type Item = [Option<&'k Keyed<'s>>; 2];

    fn next(&mut self) -> Option<Self::Item> {
        let mut pair = self.sides.map(<[Keyed<'s>]>::first);
        match pair {
            [None, None] => return None,
            [Some(old), Some(new)] => {
                match by_path(old.path, new.path).then(old.occurrence.cmp(&new.occurrence)) {
                    Ordering::Less => pair[1] = None,
                    Ordering::Greater => pair[0] = None,
                    Ordering::Equal => {}
                }
            }
            _ => {}
        }
        for (side, taken) in self.sides.iter_mut().zip(pair) {
            *side = &side[usize::from(taken.is_some())..];
        }
        Some(pair)
    }
}

#[derive(Default)]
struct ComparedPairs<'s> {
    differences: Vec<EntryDifference<'s>>,
    headers: Option<HeaderDifference<'s>>,
    /// The numbers of the entries that are on both sides.
    both: Vec<[usize; 2]>,
    not_compared: Option<NotCompared<'s>>,
    totals: DiffTotals,
}

impl<'s> ComparedPairs<'s> {
    fn take(&mut self, pair: [Option<&Keyed<'s>>; 2], is_mixed: bool) {
        let (keyed, change) = match pair {
            [None, None] => return,
            [Some(old), None] => {
                self.totals.removed += 1;
                (old, EntryChange::Removed(old.entry))
            }
            [None, Some(new)] => {
                self.totals.added += 1;
                (new, EntryChange::Added(new.entry))
            }
            [Some(old), Some(new)] => {
                self.both.push([old.number, new.number]);
                if !is_content_known(old.entry, new.entry) {
                    let is_sparse = old.entry.is_sparse() || new.entry.is_sparse();
                    let first = NotCompared { count: 0, first: old.path, is_sparse };
                    self.not_compared.get_or_insert(first).count += 1;
                }
                let fields = differing(old.entry, new.entry, is_mixed);
                if fields.is_empty() {
                    self.totals.unchanged += 1;
                    self.compare_headers(old.entry, new.entry);
                    return;
                }
                self.totals.changed += 1;
                (new, EntryChange::Changed([old.entry, new.entry], fields))
            }
        };
        let Keyed { path, occurrence, .. } = *keyed;
        self.differences.push(EntryDifference { path, occurrence, change });
    }

    fn compare_headers(&mut self, old: &'s ComparedEntry, new: &'s ComparedEntry) {
        if let (ComparedEntry::Member(old), ComparedEntry::Member(new)) = (old, new)
            && old.header != new.header
        {
            let first = HeaderDifference { count: 0, first: [old, new] };
            self.headers.get_or_insert(first).count += 1;
        }
    }
}

/// Whether the contents of two entries can be compared, if both are files.
fn is_content_known(old: &ComparedEntry, new: &ComparedEntry) -> bool {
    let is_file = |entry: &ComparedEntry| matches!(entry.kind(), None | Some(MemberKind::File));
    let are_known = || old.sha256().is_some() && new.sha256().is_some();
    !is_file(old) || !is_file(new) || are_known() || (old.is_sparse() && new.is_sparse())
}

/// The fields in which two entries differ. Between a layer and a spec, a field is compared only if both can have it and
/// the spec does.
fn differing(old: &ComparedEntry, new: &ComparedEntry, is_mixed: bool) -> Vec<FieldDifference> {
    let mut sides = [old.fields(), new.fields()].map(|fields| fields.into_iter().peekable());
    let is_spec = [old, new].map(|entry| matches!(entry, ComparedEntry::Row(_)));
    let is_comparable = |field: &EntryField, values: &[Option<FieldValue>; 2]| {
        let is_unsaid = |side: usize| values[side].is_none() && is_spec[side];
        match field {
            EntryField::Content if old.is_sparse() != new.is_sparse() => false,
            _ if is_mixed => field.is_shared() && !is_unsaid(0) && !is_unsaid(1),
            _ => true,
        }
    };
    let mut found = Vec::new();
    loop {
        let [one, other] = &mut sides;
        let field = match (one.peek(), other.peek()) {
            (None, None) => return found,
            (Some((field, _)), None) | (None, Some((field, _))) => field.clone(),
            (Some((one, _)), Some((other, _))) => one.min(other).clone(),
        };
        let values = sides
            .each_mut()
            .map(|fields| fields.next_if(|(other, _)| *other == field).map(|(_, value)| value));
        if values[0] != values[1] && is_comparable(&field, &values) {
            found.push(FieldDifference { field, values });
        }
    }
}

/// How many of the entries that are on `both` sides are in another order.
fn order(mut both: Vec<[usize; 2]>, new: &DiffSide) -> Option<OrderDifference<'_>> {
    both.sort_unstable();
    // By length: the lowest end of an increasing sequence of the new numbers that is so long.
    let mut ends: Vec<usize> = Vec::new();
    // By entry: the length of the longest sequence that it ends.
    let mut lengths = Vec::with_capacity(both.len());
    for [_, number] in &both {
        let length = ends.partition_point(|end| end < number);
        if length == ends.len() {
            ends.push(*number);
        }
        ends[length] = *number;
        lengths.push(length);
    }
    let moved = both.len() - ends.len();
    if moved == 0 {
        return None;
    }
    let mut wanted = ends.len();
    let mut is_kept = vec![false; both.len()];
    let mut above = usize::MAX;
    for at in (0..both.len()).rev() {
        if wanted > 0 && lengths[at] == wanted - 1 && both[at][1] < above {
            (is_kept[at], above) = (true, both[at][1]);
            wanted -= 1;
        }
    }
    let moves = both.iter().zip(is_kept).filter(|(_, is_kept)| !is_kept);
    let first = moves.map(|([_, number], _)| *number).min()?;
    Some(OrderDifference { moved, first: new.entries[first].path() })
}

/// Why the headers of two members with the same fields differ.
pub(super) enum HeaderReason<'s> {
    Name([&'s [u8]; 2]),
    Form([HeaderForm; 2]),
    Other,
}

impl<'s> HeaderDifference<'s> {
    /// Why the first differ.
    pub(super) fn reason(&self) -> HeaderReason<'s> {
        let [old, new] = self.first;
        let name = |member: &'s Member| member.name.as_deref().unwrap_or(&member.path);
        if name(old) != name(new) {
            HeaderReason::Name([name(old), name(new)])
        } else if old.form != new.form {
            HeaderReason::Form([old.form, new.form])
        } else {
            HeaderReason::Other
        }
    }
}
