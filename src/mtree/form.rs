//! Where the rows of a spec have their names: first, or last as NetBSD's `mtree -D` writes them.
//!
//! Knows how libarchive tells the two apart, by the first lines of a spec; must not know how rows are used.

/// Where each row of a spec has its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum RowForm {
    /// `NAME KEYWORD=VALUE`
    #[default]
    NameFirst,
    /// `KEYWORD=VALUE NAME`
    NameLast,
}

/// This many rows decide.
const DECIDING_ROWS: usize = 3;

/// The keywords that libarchive looks for here.
const KEYWORDS: [&[u8]; 33] = [
    b"content",
    b"contents",
    b"cksum",
    b"device",
    b"flags",
    b"gid",
    b"gname",
    b"ignore",
    b"inode",
    b"link",
    b"md5",
    b"md5digest",
    b"mode",
    b"nlink",
    b"nochange",
    b"optional",
    b"resdevice",
    b"rmd160",
    b"rmd160digest",
    b"sha1",
    b"sha1digest",
    b"sha256",
    b"sha256digest",
    b"sha384",
    b"sha384digest",
    b"sha512",
    b"sha512digest",
    b"size",
    b"tags",
    b"time",
    b"type",
    b"uid",
    b"uname",
];

impl RowForm {
    /// The form of the spec `text`, as libarchive finds it (`detect_form`): names are last if the first three
    /// rows, or all where there are fewer, have known keywords and then a relative path with a slash. A row of
    /// a name alone may be among them. If libarchive finds neither form, names are first.
    pub(super) fn of(text: &[u8]) -> Self {
        // Almost every spec is decided by its first row, which begins with a name.
        let mut rows = 0;
        let mut names_are_last = false;
        let mut continues = false;
        let mut rest = text;
        while rows < DECIDING_ROWS && !rest.is_empty() {
            let Some((line, behind)) = cut_line(rest) else {
                return Self::NameFirst;
            };
            rest = behind;
            if std::mem::take(&mut continues) {
                // Only a `/set` or `/unset` line goes on here.
                let is_set = line.first().is_some_and(|&byte| is_blank(byte))
                    && are_keywords(line, &mut continues, false);
                if !is_set {
                    return Self::NameFirst;
                }
                continue;
            }
            let line = without_blanks_before(line);
            match line {
                [] | [b'#', ..] => {}
                [b'/', b's', b'e', b't', b' ' | b'\t', keywords @ ..]
                    if are_keywords(keywords, &mut continues, false) => {}
                [b'/', b'u', b'n', b's', b'e', b't', b' ' | b'\t', keywords @ ..]
                    if are_keywords(keywords, &mut continues, true) => {}
                [b'/', ..] => return Self::NameFirst,
                _ => {
                    match position_of_name(line) {
                        Some(NamePosition::Alone) => {}
                        Some(NamePosition::Last) => names_are_last = true,
                        Some(NamePosition::First) | None => return Self::NameFirst,
                    }
                    rows += 1;
                }
            }
        }
        if names_are_last { Self::NameLast } else { Self::NameFirst }
    }
}

/// Where a row has its name.
enum NamePosition {
    First,
    Last,
    /// The row has no keywords.
    Alone,
}

/// The first line of `text` without its ending, and the lines behind it. `None` if it does not end.
fn cut_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| matches!(byte, b'\n' | b'\r' | 0))?;
    match &text[end..] {
        [b'\r', b'\n', behind @ ..] => Some((&text[..end], behind)),
        [0, ..] => None,
        [_, behind @ ..] => Some((&text[..end], behind)),
        [] => None,
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn without_blanks_before(line: &[u8]) -> &[u8] {
    let blanks = line.iter().take_while(|&&byte| is_blank(byte)).count();
    &line[blanks..]
}

/// Where the row `line` has its name. `None` if it is no row in either form.
fn position_of_name(line: &[u8]) -> Option<NamePosition> {
    let first = line.iter().take_while(|&&byte| is_safe(byte)).count();
    if first > 0 && line.get(first).is_none_or(|&byte| is_blank(byte)) {
        let keywords = &line[first..];
        // The first row in this form decides, so those that a `\` joins to it need no look.
        return match without_blanks_before(keywords) {
            [] => Some(NamePosition::Alone),
            _ => Some(NamePosition::First),
        };
    }
    let last = line.iter().rev().take_while(|&&byte| !is_blank(byte)).count();
    let (keywords, name) = line.split_at(line.len() - last);
    let is_name = name.iter().all(|&byte| is_safe(byte))
        && name.contains(&b'/')
        && !name.starts_with(b"/")
        && !name.ends_with(b"\\");
    (is_name && are_keywords(keywords, &mut false, false)).then_some(NamePosition::Last)
}

/// Whether `text` has nothing but known keywords, and at least one; those of `/unset` have no values. Sets
/// `continues` if a `\` at the end joins the next line.
fn are_keywords(text: &[u8], continues: &mut bool, unset: bool) -> bool {
    *continues = text.ends_with(b"\\");
    let text = text.strip_suffix(b"\\").unwrap_or(text);
    let mut fields =
        text.split(|&byte| is_blank(byte)).filter(|field| !field.is_empty()).peekable();
    fields.peek().is_some()
        && fields.all(|field| {
            let equals = field.iter().position(|&byte| byte == b'=');
            let keyword = &field[..equals.unwrap_or(field.len())];
            let has_value = equals.is_none_or(|equals| equals + 1 < field.len());
            let is_known = KEYWORDS.contains(&keyword) || unset && keyword == b"all";
            is_known && (has_value || unset)
        })
}

/// Whether libarchive takes `byte` for one of a name here.
fn is_safe(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'#' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_last_if_the_first_three_rows_have_them_there() {
        let last = "type=file content=x ./a/b\n";
        for (text, is_last) in [
            (last.to_owned(), true),
            (last.repeat(4), true),
            (format!("#mtree\n\n/set uid=0 \\\n gid=0\n/unset uid\n  {last}"), true),
            (format!("..\n{last}"), true),
            (format!("{last}{last}..\n./a/c type=file content=x\n"), true),
            (format!("{last}./a/c type=file content=x\n"), false),
            (format!("{last}{last}type=file content=x c\n"), false),
            (format!("{last}{last}{last}type=file content=x c\n"), true),
            (last.trim_end().to_owned(), false),
            (last.repeat(4).trim_end().to_owned(), true),
            ("type=file content=x ./a/b \n".to_owned(), false),
            ("type=file content=x /a/b\n".to_owned(), false),
            ("type=file content=x .\n".to_owned(), false),
            ("type=file what=x ./a/b\n".to_owned(), false),
            ("type=file content= ./a/b\n".to_owned(), false),
            ("optional type=file ./a/b\n".to_owned(), false),
            ("type=file \\\n content=x ./a/b\n".to_owned(), false),
            (format!("/set what=1\n{last}"), false),
        ] {
            assert_eq!(RowForm::of(text.as_bytes()) == RowForm::NameLast, is_last, "{text}");
        }
    }
}
