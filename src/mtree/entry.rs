//! What a row says of an entry in an archive, beside what resolving needs.
//!
//! Knows keywords as text, in the row and from `/set`; must not know what they mean to tar.

use std::borrow::Cow;

use super::field::{self, Kind};
use super::form::RowForm;
use super::{Row, Spec, Text, unescape};

impl Spec {
    /// The path of `row` as it is spelled, escapes resolved. A row without slashes has the directories that were
    /// entered before it.
    pub fn spelled_path(&self, row: &Row) -> Cow<'_, [u8]> {
        let name = self.name(row);
        if is_slashless(name) {
            return Cow::Borrowed(self.path(row));
        }
        if memchr::memchr(b'\\', name).is_none() {
            return Cow::Borrowed(name);
        }
        let mut bytes = Vec::with_capacity(name.len());
        // A row whose name has an escape that cannot be read was refused.
        let _ = unescape(name, &mut bytes);
        Cow::Owned(bytes)
    }

    /// Whether the name of `row` has no slash, so that it is in the directory that was entered last.
    pub fn is_slashless(&self, row: &Row) -> bool {
        is_slashless(self.name(row))
    }

    /// The keywords of `row`, each with its value as it is spelled; a keyword without one has an empty value. First
    /// those that `/set` gives and the row does not have itself.
    pub fn keywords<'s>(&'s self, row: &Row) -> impl Iterator<Item = (&'s [u8], &'s [u8])> {
        let line = self.row_line(row);
        let set = (!self.defaults.is_empty()).then(|| self.defaults.inherited(line, row.defaults));
        let all = set.into_iter().flatten().chain(line.keywords());
        all.map(|(keyword, value)| (keyword, value.unwrap_or_default()))
    }

    /// The path of the content of `row`, if it may have one: the source, or for a directory or a row that names no type
    /// what would be its source if it were a file. Of a directory it says where its metadata is.
    pub fn content(&self, row: &Row) -> Option<Vec<u8>> {
        if row.source != Text::NONE {
            return Some(self.source(row).to_vec());
        }
        if row.kind == Kind::Link {
            return None;
        }
        let own = self.row_line(row).keywords();
        let of_set = || self.defaults.sources(row.defaults).last().map(|(_, value)| &value[..]);
        let own = own.filter(|(keyword, _)| field::is_source(keyword)).find_map(|(_, value)| value);
        let mut bytes = Vec::new();
        unescape(own.or_else(of_set)?, &mut bytes).ok()?;
        Some(bytes)
    }

    /// The text of the keywords of `row`, if its source ends it. It takes no reading of the row.
    pub fn keywords_text(&self, row: &Row) -> Option<KeywordsText<'_>> {
        let start = self.plain_name_end(row)?;
        if row.source == Text::NONE || row.source.at & Text::UNESCAPED != 0 {
            return None;
        }
        let source = row.source.at as usize;
        let behind = self.text.get(source + row.source.len as usize..row.end as usize)?;
        let text = self.text.get(start..source).filter(|_| matches!(behind, b"" | b"\n"))?;
        // With `link_is_source` it may be the text of the link.
        let is_source = text.ends_with(b"content=") || text.ends_with(b"contents=");
        is_source.then_some(KeywordsText { text, defaults: row.defaults })
    }

    fn name(&self, row: &Row) -> &[u8] {
        let Some(end) = self.plain_name_end(row) else {
            return field::name(self.line(row), self.form).text;
        };
        let (start, path) = (row.start as usize, row.path.at as usize);
        let head = &self.text[start..path];
        let length = [&b"./"[..], b"/"].into_iter().find(|slash| head.ends_with(slash));
        &self.text[path - length.map_or(0, <[u8]>::len)..end]
    }

    /// Where the name of `row` ends, if the archive path is a part of the name as it stands, and keywords follow it.
    fn plain_name_end(&self, row: &Row) -> Option<usize> {
        if self.form != RowForm::NameFirst || row.path.at & Text::UNESCAPED != 0 {
            return None;
        }
        let end = (row.path.at + row.path.len) as usize;
        Some(end + usize::from(self.text.get(end) == Some(&b'/')))
    }
}

/// The text of a row from the end of its name to its source, and what `/set` gives. Rows for which these are equal differ in
/// name and source alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeywordsText<'s> {
    text: &'s [u8],
    defaults: u32,
}

fn is_slashless(name: &[u8]) -> bool {
    name != b"." && !name.contains(&b'/')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::RowId;
    use super::*;

    fn spec(text: &str) -> Spec {
        Spec::parse(text.as_bytes().to_vec(), false).unwrap()
    }

    fn said(text: &str, row: u32) -> Vec<String> {
        let spec = spec(text);
        let keywords = spec.keywords(spec.row(RowId(row)));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        keywords.map(|(keyword, value)| [text(keyword), text(value)].join("=")).collect()
    }

    #[test]
    fn a_row_has_its_own_keywords_and_those_of_set_that_it_does_not_override() {
        let text = "/set uid=1 gid=2\n./a uid=3 optional\n/unset gid\n./b\n";
        assert_eq!(said(text, 0), ["gid=2", "uid=3", "optional="]);
        assert_eq!(said(text, 1), ["uid=1"]);
    }

    #[test]
    fn a_path_is_spelled_as_in_the_row_or_with_the_directories_entered() {
        let spec = spec("usr type=dir\n lib type=dir\n  a\\040b\n..\n./x//y\\040/\n");
        let spelled = |row| spec.spelled_path(spec.row(RowId(row))).into_owned();
        assert_eq!(spelled(2), b"usr/lib/a b");
        assert_eq!(spelled(3), b"./x//y /");
        assert!(spec.is_slashless(spec.row(RowId(2))));
    }

    #[test]
    fn rows_that_differ_in_name_and_source_alone_have_the_same_text_of_keywords() {
        let text = "./a/b type=file content=x\n  /a/c type=file content=y/z\n\
                    ./a/d/ type=file content=y\n./a/e type=file uid=1 content=x\n\
                    ./a/f type=file content=x \n./a/g content=x type=file\n\
                    ./a//h type=file content=x\n./a/i type=file content=./x\n/set mode=0644\n\
                    ./a/j type=file content=x\n./a/k type=link link=l\n\\\n  a/m type=file content=x";
        let spec = Spec::parse(text.as_bytes().to_vec(), true).unwrap();
        let text = |row| spec.keywords_text(spec.row(RowId(row)));
        let first = text(0).unwrap();
        let equal: Vec<_> = (0..11).map(|row| text(row).map(|text| text == first)).collect();
        let (same, other, unknown) = (Some(true), Some(false), None);
        let want =
            [same, same, same, other, unknown, unknown, unknown, unknown, other, unknown, other];
        assert_eq!(equal, want);
        assert_eq!(text(8), text(10));
        let names: Vec<_> = spec.rows().iter().map(|row| spec.spelled_path(row)).collect();
        assert_eq!(names[..3], [&b"./a/b"[..], b"/a/c", b"./a/d/"]);
        assert_eq!(names[10], &b"a/m"[..]);
    }

    #[test]
    fn a_directory_and_a_row_without_a_type_have_a_content_too() {
        let text = "./a content=x/./y\n./b type=file content=x/./y\n./c type=link link=z\n\
                    ./d type=dir content=e\n";
        let spec = spec(text);
        let content = |row| spec.content(spec.row(RowId(row)));
        assert_eq!(content(0).unwrap(), b"x/./y");
        assert_eq!(content(1).unwrap(), b"x/y");
        assert_eq!(content(2), None);
        assert_eq!(content(3).unwrap(), b"e");
    }

    /// Lines of a spec: rows whose names, blanks and keywords are spelled in many ways, and what stands between them.
    fn lines() -> impl Strategy<Value = String> {
        let name = prop::sample::select(vec![
            "./a/b",
            "./a/c",
            "/a/b",
            "a/b/",
            "./a//b",
            "a",
            ".b",
            "./.b/c",
            r"./a\040b",
            "./a/../b",
            "//a",
        ]);
        let blank = prop::sample::select(vec![" ", "  ", "\t", " \\\n ", "\r", "\\\n"]);
        let keyword = prop::sample::select(vec![
            "type=file",
            "type=link",
            "type=dir",
            "link=a/b",
            "content=a/b",
            "content=/a/c",
            "contents=.x/y",
            r"content=a\040b",
            "content=./a",
            "content=",
            "uid=1",
            "uid=2",
            "optional",
        ]);
        let field = (blank.clone(), keyword.clone())
            .prop_map(|(blank, keyword)| blank.to_owned() + keyword);
        let head = prop::sample::select(vec!["", " ", "\\\n"]);
        let row = (
            head,
            name.clone(),
            prop::collection::vec(field, 0..4),
            prop::sample::select(vec!["", " ", "\r"]),
        );
        let row = row.prop_map(|(head, name, fields, end)| {
            format!("{head}{name}{}{end}\n", fields.concat())
        });
        // Most rows of a real spec: they end in a source or a link, and look like their neighbours.
        let kind = prop::sample::select(vec!["type=file", "type=link"]);
        let last = prop::sample::select(vec!["content", "contents", "link"]);
        let value = prop::sample::select(vec!["a/b", "a/c", ".x/y", "/a/c"]);
        let plain =
            (name, blank, kind, last, value).prop_map(|(name, blank, kind, last, value)| {
                format!("{name}{blank}{kind} {last}={value}\n")
            });
        let set = keyword.prop_map(|keyword| format!("/set {keyword}\n"));
        let other = prop::sample::select(vec!["# a\n", "..\n", "/unset link content\n"]);
        prop_oneof![12 => plain, 6 => row, 1 => set, 1 => other.prop_map(str::to_owned)]
    }

    proptest! {
        #[test]
        fn rows_with_the_same_text_of_keywords_say_the_same_but_for_name_and_source(
            lines in prop::collection::vec(lines(), 1..30),
            link_is_source in any::<bool>(),
        ) {
            let Ok(spec) = Spec::parse(lines.concat().into_bytes(), link_is_source) else { return Ok(()) };
            let said = |row: &Row| {
                let keywords = spec.keywords(row).filter(|(keyword, _)| !field::is_source(keyword));
                let keywords: Vec<_> = keywords.collect();
                (keywords, spec.link(row))
            };
            for row in spec.rows() {
                let name = field::name(spec.line(row), spec.form).text;
                prop_assert_eq!(spec.name(row), name);
                let Some(text) = spec.keywords_text(row) else { continue };
                prop_assert_eq!(spec.content(row), Some(spec.source(row).to_vec()));
                for other in spec.rows().iter().filter(|other| spec.keywords_text(other) == Some(text)) {
                    prop_assert_eq!(said(row), said(other));
                }
            }
        }
    }
}
