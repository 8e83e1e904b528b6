//! Writes rows as the lines of a spec.

use std::collections::BTreeMap;

use super::{
    SpecPlan, Written,
    row::{Row, RowKind},
    style::{Defaults, Form, Oddity, Order, Style},
};

impl SpecPlan {
    pub(super) fn write_rows(&self, mut rows: Vec<Row>) -> Written {
        match self.style.order {
            Order::Layouts => {}
            Order::Sorted => rows.sort_by(|a, b| a.path.cmp(&b.path)),
            Order::Backwards => rows.reverse(),
        }
        let sources = self.sources(&rows);
        let (also, own): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.also);
        let mut spec = match self.style.defaults {
            Defaults::None => b"#mtree\n".to_vec(),
            Defaults::Type => b"/set type=file\n".to_vec(),
            Defaults::Owner => b"/set uid=0 gid=0\n".to_vec(),
        };
        match self.style.form {
            Form::FullPaths | Form::NameLast => {
                own.iter().for_each(|row| self.write_row(row, false, &mut spec))
            }
            Form::SlashLess => self.write_directory(&own, b"", &mut spec),
        }
        let mut also_spec = Vec::new();
        let plain = SpecPlan {
            style: Style { defaults: Defaults::None, ..self.style.clone() },
            ..self.clone()
        };
        also.iter().for_each(|row| plain.write_row(row, false, &mut also_spec));
        if !self.style.ends_with_newline {
            spec.truncate(spec.trim_ascii_end().len());
        }
        Written { spec, also: also_spec, sources, rows: own.len() }
    }

    /// The slash-less form: a directory's rows are between its own row and `..`.
    pub(super) fn write_directory(&self, rows: &[Row], directory: &[u8], spec: &mut Vec<u8>) {
        let mut inner: BTreeMap<Vec<u8>, Vec<Row>> = BTreeMap::new();
        for row in rows {
            let rest = match directory {
                b"" => row.path.as_slice(),
                _ => &row.path[directory.len() + 1..],
            };
            match rest.iter().position(|byte| *byte == b'/') {
                Some(end) => {
                    let length = row.path.len() - rest.len() + end;
                    inner.entry(row.path[..length].to_vec()).or_default().push(row.clone());
                }
                None if row.what == RowKind::Directory => {
                    inner.entry(row.path.clone()).or_default();
                }
                None => self.write_row(row, !row.oddities.contains(&Oddity::FullPath), spec),
            }
        }
        for (path, rows_below) in inner {
            let own = rows.iter().find(|row| row.path == path && row.what == RowKind::Directory);
            let row = own
                .cloned()
                .unwrap_or_else(|| Row { path: path.clone(), ..Row::directory("0", false) });
            self.write_row(&row, true, spec);
            self.write_directory(&rows_below, &path, spec);
            spec.extend(b"..\n");
        }
    }

    pub(super) fn write_row(&self, row: &Row, slash_less: bool, spec: &mut Vec<u8>) {
        let has = |oddity| row.oddities.contains(&oddity);
        let is_name_last = self.style.form == Form::NameLast;
        // The first three rows decide the form, and none of them may be continued.
        let is_behind_others =
            spec.split(|byte| *byte == b'\n').filter(|line| line.contains(&b'=')).count() > 5;
        let escape = |text: &[u8]| self.style.escapes.write(text);
        if has(Oddity::RemarkBefore) {
            spec.extend(b"  # a remark \\\n\n");
        }
        if has(Oddity::SetBefore) {
            spec.extend(b"/set uid=3 nlink=1\n");
        }
        let head = match (has(Oddity::OtherHead), self.style.head) {
            (true, "./") => "/",
            (true, _) => "./",
            (false, head) => head,
        };
        let last = row.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let mut name = match slash_less {
            true => escape(last),
            false => [head.as_bytes(), &escape(&row.path)].concat(),
        };
        if row.what == RowKind::Directory && !slash_less && !name.contains(&b'/') {
            name.push(b'/');
        }
        if has(Oddity::DottedName) && !self.options.changes.moves() {
            name = name.split(|byte| *byte == b'/').collect::<Vec<_>>().join(&b"/.//"[..]);
        }
        let mut fields = vec![name];
        let mut say = |field: String| fields.push(field.into_bytes());
        if self.style.defaults != Defaults::Owner || row.owner != "0" {
            say(format!("uid={} gid=0", row.owner));
        }
        if has(Oddity::OtherOwner) {
            say("gname=them".to_owned());
        }
        say(format!("time=1672560000 mode={}", row.mode));
        if has(Oddity::Flag) {
            say("optional".to_owned());
        }
        if has(Oddity::Digests) {
            say("size=3 sha256digest=00ff".to_owned());
        }
        let kind = match row.what {
            RowKind::Directory => "type=dir",
            RowKind::Declared(_) | RowKind::Finished(_) => "type=link",
            _ if self.style.defaults == Defaults::Type => "",
            _ => "type=file",
        };
        let source_keyword = match &row.what {
            RowKind::Declared(_) if self.options.link_is_source => "link",
            _ if has(Oddity::OtherSpelling) => "contents",
            _ => "content",
        };
        let source = match &row.what {
            RowKind::Finished(text) => [b"link=", text.as_bytes()].concat(),
            RowKind::Directory | RowKind::Made => Vec::new(),
            RowKind::File(source) | RowKind::Declared(source) => {
                let dots = if has(Oddity::DottedSource) { "./" } else { "" };
                [format!("{source_keyword}={dots}").into_bytes(), escape(source)].concat()
            }
        };
        fields.extend([kind.as_bytes().to_vec(), source]);
        let length = fields.len();
        if has(Oddity::SourceFirst) {
            fields[1..].rotate_right(1);
        }
        match source_keyword {
            "content" if has(Oddity::BothSpellings) && row.source().is_some() => {
                fields.push(b"contents=external/py/gone/y".to_vec());
            }
            "contents" if has(Oddity::BothSpellings) && row.source().is_some() => {
                fields.push(b"content=external/py/gone/y".to_vec());
            }
            _ => {}
        }
        fields.retain(|field| !field.is_empty());
        if is_name_last {
            fields.rotate_left(1);
        }
        let between: &[u8] = match (has(Oddity::Blanks), has(Oddity::Continued)) {
            (true, _) => b" \t ",
            (_, true) if length > 2 && (!is_name_last || is_behind_others) => b" \\\n    ",
            _ => b" ",
        };
        if has(Oddity::Blanks) {
            spec.extend(b"  ");
        }
        spec.extend(fields.join(between));
        spec.push(b'\n');
    }
}
