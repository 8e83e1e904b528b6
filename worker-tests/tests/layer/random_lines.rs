//! Random lines of a spec, as bsdtar and this program both accept them.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// A character in CESU-8.
const SURROGATES: &[u8] = b"\xed\xa0\xbd\xed\xb8\x80";

/// The sizes of the sources, in bytes. Further sources are hard links.
pub(crate) const SIZES: [usize; 7] = [0, 1, 511, 512, 513, 3000, 300_000];

/// The further sources: for each, the source that it is a hard link to.
pub(crate) const HARD_LINKS: [usize; 4] = [3, 3, 5, 6];

/// A line of a spec.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    Row(Row),
    Set(Vec<(&'static str, String)>),
    Unset(Vec<&'static str>),
    Up,
    Between(&'static str),
}

#[derive(Clone, Debug)]
pub(crate) struct Row {
    name: Vec<u8>,
    kind: &'static str,
    keywords: Vec<(&'static str, String)>,
    /// Keywords that are left out where `/set` has given them.
    left_to_set: Vec<&'static str>,
    link: Option<Vec<u8>>,
    source: Option<Source>,
    /// By how many places the fields are rotated, and whether the row is continued in the next line.
    turn: usize,
    is_continued: bool,
    has_letters: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Source {
    Once(&'static str, usize),
    /// Both spellings: the first counts.
    Both(usize, usize),
    /// One spelling twice: the last counts.
    Twice(usize, usize),
    Optional(usize),
    Missing,
}

/// Every byte that is not plain as `\ooo`, or some as letters.
pub(crate) fn escaped(text: &[u8], has_letters: bool) -> String {
    let escape = |&byte: &u8| match byte {
        byte if byte.is_ascii_alphanumeric() || b"./_-@:,+~".contains(&byte) => {
            char::from(byte).to_string()
        }
        b' ' if has_letters => "\\s".to_owned(),
        b'\t' if has_letters => "\\t".to_owned(),
        b'\n' if has_letters => "\\n".to_owned(),
        b'\\' if has_letters => "\\\\".to_owned(),
        byte => format!("\\{byte:03o}"),
    };
    text.iter().map(escape).collect()
}

pub(crate) fn source(number: usize) -> String {
    format!("sources-of-the-test/{number}")
}

pub(crate) fn text_of(lines: &[Line]) -> String {
    let mut spec = String::from("#mtree\n");
    let mut set: Vec<&str> = Vec::new();
    for line in lines {
        match line {
            Line::Set(keywords) => {
                spec += "/set";
                for (keyword, value) in keywords {
                    spec += &format!(" {keyword}={value}");
                    set.push(keyword);
                }
                spec.push('\n');
            }
            Line::Unset(keywords) => {
                let unset = |keyword: &&str| !keywords.contains(keyword) && keywords[0] != "all";
                set.retain(unset);
                spec += &format!("/unset {}\n", keywords.join(" "));
            }
            Line::Up => spec += "..\n",
            Line::Between(text) => spec += text,
            Line::Row(row) => spec += &row.text(&set),
        }
    }
    spec
}

impl Row {
    fn text(&self, set: &[&str]) -> String {
        let is_left = |keyword: &str| self.left_to_set.contains(&keyword) && set.contains(&keyword);
        let mut fields = vec![format!("type={}", self.kind)];
        let keywords = self.keywords.iter().filter(|(keyword, _)| !is_left(keyword));
        fields.extend(keywords.map(|(keyword, value)| format!("{keyword}={value}")));
        if let Some(link) = &self.link {
            fields.push(format!("link={}", escaped(link, self.has_letters)));
        }
        match &self.source {
            None => {}
            Some(Source::Once(spelling, number)) => {
                fields.push(format!("{spelling}={}", source(*number)))
            }
            Some(Source::Both(one, other)) => fields.extend([
                format!("contents={}", source(*one)),
                format!("content={}", source(*other)),
            ]),
            Some(Source::Twice(one, other)) => fields.extend([
                format!("content={}", source(*one)),
                format!("content={}", source(*other)),
            ]),
            Some(Source::Optional(number)) => {
                fields.extend(["optional".to_owned(), format!("content={}", source(*number))]);
            }
            Some(Source::Missing) => {
                // libarchive leaves such a row out, and gives its keywords to the next one, unless that has them too.
                let said_by_all = ["type=", "uid=", "gid=", "mode=", "time="];
                fields.retain(|field| said_by_all.iter().any(|keyword| field.starts_with(keyword)));
                fields.extend(["content=no/such/source".to_owned(), "optional".to_owned()]);
            }
        }
        let turn = self.turn % fields.len();
        // Sources keep their order.
        if self.source.is_none() {
            fields.rotate_left(turn);
        }
        let between = if self.is_continued { " \\\n  " } else { " " };
        format!("{} {}\n", escaped(&self.name, self.has_letters), fields.join(between))
    }
}

fn component() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => "[a-zA-Z0-9._-]{1,12}".prop_map(String::into_bytes),
        2 => "[a-z.]{40,130}".prop_map(String::into_bytes),
        1 => "[ =#\\\\\n\t:@*]{1,5}".prop_map(String::into_bytes),
        1 => "[a-z\u{e9}\u{3b1}\u{1f600}]{1,60}".prop_map(String::into_bytes),
        1 => prop::collection::vec(prop_oneof![1..=46_u8, 48..=255_u8], 1..8),
        1 => Just(SURROGATES.to_vec()),
    ]
}

/// Not the working directory, nor anything in it: bsdtar reads what is there.
fn is_elsewhere(parts: &[Vec<u8>]) -> bool {
    parts.iter().all(|part| !matches!(&part[..], b"." | b".."))
}

/// Whether 3.8.1 removes the head of a name, since it makes a path absolute on Windows.
fn is_absolute(name: &[u8]) -> bool {
    matches!(name, [b'\\', ..] | [b'a'..=b'z' | b'A'..=b'Z', b':', ..])
}

fn full_path(is_old: bool) -> impl Strategy<Value = Vec<u8>> {
    let heads: &[&str] = match is_old {
        true => &["./", "x/", "./x/./", "x//"],
        false => &["./", "x/", "./x/./", "x//", "/t-e-s-t/", "//?/UNC/t-e-s-t/"],
    };
    let parts =
        prop::collection::vec(component(), 1..8).prop_filter("elsewhere", |it| is_elsewhere(it));
    (select(heads), parts).prop_map(|(head, parts)| [head.as_bytes(), &parts.join(&b'/')].concat())
}

fn name(is_old: bool) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => full_path(is_old),
        2 => component().prop_filter("elsewhere", move |part| {
            is_elsewhere(std::slice::from_ref(part)) && !(is_old && is_absolute(part))
        }),
        1 => select(&["./x/same", "./x/same", "x/same", "./x//same"][..])
            .prop_map(|path| path.as_bytes().to_vec()),
    ]
}

fn one_of(values: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(values).prop_map(str::to_owned)
}

fn id(is_old: bool) -> impl Strategy<Value = String> {
    let all = &["0", "1000", "262143", "262144", "2097152", "9223372036854775807", "7x", "-1"];
    one_of(if is_old { &all[..7] } else { all })
}

fn time(is_old: bool) -> impl Strategy<Value = String> {
    let all = &[
        "0",
        "1.5",
        "1700000000.000000000",
        "1700000000.999999999",
        "-1",
        "-1.25",
        "2147483646.5",
        "2147483647",
        "8589934590.1",
        "8589934591",
        "8589934592",
        "1099511627776.999999999",
        "99999999999999999999",
    ];
    one_of(if is_old { &all[..7] } else { all })
}

fn keywords(is_old: bool) -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let owner =
        || prop::option::of(prop_oneof![4 => "[a-z]{1,8}", 1 => "[a-z\\\\0-9]{29,40}[a-z]"]);
    let mode = one_of(&["0644", "755", "4755", "07777", "0", "0100600"]);
    let flags = prop::option::weighted(0.1, one_of(&["nodump", "uchg,nodump"]));
    let nlink = prop::option::weighted(0.3, one_of(&["1", "2", "3"]));
    let others = prop::option::weighted(
        0.2,
        select(
            &[
                ("sha1", "00112233445566778899aabbccddeeff00112233"),
                ("cksum", "12"),
                ("tags", "a,b"),
            ][..],
        ),
    );
    let values = (id(is_old), id(is_old), owner(), owner(), time(is_old), mode, flags, nlink);
    (values, others).prop_map(|((uid, gid, uname, gname, time, mode, flags, nlink), others)| {
        let mut keywords = vec![("uid", uid), ("gid", gid), ("time", time), ("mode", mode)];
        let named = [("uname", uname), ("gname", gname), ("flags", flags), ("nlink", nlink)];
        keywords.extend(named.into_iter().filter_map(|(name, value)| Some((name, value?))));
        keywords.extend(others.map(|(keyword, value)| (keyword, value.to_owned())));
        keywords
    })
}

fn row_source() -> impl Strategy<Value = Source> {
    let number = || 0..SIZES.len() + HARD_LINKS.len();
    prop_oneof![
        5 => (select(&["content", "contents"][..]), number()).prop_map(|(spelling, number)| Source::Once(spelling, number)),
        1 => (number(), number()).prop_map(|(one, other)| Source::Both(one, other)),
        1 => (number(), number()).prop_map(|(one, other)| Source::Twice(one, other)),
        1 => number().prop_map(Source::Optional),
        1 => Just(Source::Missing),
    ]
}

fn row(is_old: bool) -> impl Strategy<Value = Row> {
    let kind = select(&["file", "file", "file", "dir", "link", "char", "block", "fifo"][..]);
    let device = one_of(&["native,1,3", "native,300000,70000", "0x801", "linux,4,0x11"]);
    let link = prop::option::weighted(
        0.1,
        prop_oneof![full_path(is_old), Just(vec![b'l'; 100]), Just(vec![b'l'; 101])],
    );
    let left = subsequence(&["uid", "gid", "mode", "time", "nlink"][..], 0..=4);
    let written = (0..12_usize, any::<bool>(), any::<bool>());
    let values = (keywords(is_old), link, prop::option::of(row_source()), device);
    (name(is_old), kind, left, values, written).prop_map(
        move |(name, kind, left_to_set, values, (turn, is_continued, has_letters))| {
            let (mut keywords, link, source, device) = values;
            // Rows of one path are of one kind: bsdtar compares the merged kind with the disk.
            let kind = if name.ends_with(b"/same") { "file" } else { kind };
            if kind == "char" || kind == "block" {
                keywords.push(("device", device));
            }
            let link = link.or_else(|| (kind == "link").then(|| b"../target".to_vec()));
            // 3.6.2 does not convert these in the text of a link, be it a symlink's or a hard link's.
            let has_surrogates =
                |link: &Vec<u8>| link.windows(6).any(|window| window == SURROGATES);
            let link = link.filter(|link| !(is_old && has_surrogates(link)));
            let link = link.or_else(|| (kind == "link").then(|| b"target".to_vec()));
            let source = source.filter(|_| kind == "file" && !(is_old && has_surrogates(&name)));
            // The keywords of a row that is merged with one that is left out leak as well.
            let is_merged = name.ends_with(b"same");
            let source = source.filter(|source| !(is_merged && matches!(source, Source::Missing)));
            Row {
                name,
                kind,
                keywords,
                left_to_set,
                link,
                source,
                turn,
                // In a continued line, `#` begins a comment for libarchive.
                is_continued,
                has_letters,
            }
        },
    )
}

pub(crate) fn line(is_old: bool) -> impl Strategy<Value = Line> {
    let set = subsequence(&["uid", "gid", "mode", "time", "nlink"][..], 1..=5).prop_map(|names| {
        let value = |name| match name {
            "mode" => (name, "0711".to_owned()),
            "time" => (name, "12.5".to_owned()),
            "nlink" => (name, "1".to_owned()),
            _ => (name, "123".to_owned()),
        };
        Line::Set(names.into_iter().map(value).collect())
    });
    let unset = subsequence(&["uid", "gid", "mode", "time", "nlink"][..], 1..=3);
    prop_oneof![
        12 => row(is_old).prop_map(Line::Row),
        1 => set,
        1 => prop_oneof![Just(vec!["all"]), unset].prop_map(Line::Unset),
        1 => Just(Line::Up),
        1 => select(&["# a comment\n", "\n", "   \n", "#\n"][..]).prop_map(Line::Between),
    ]
}
