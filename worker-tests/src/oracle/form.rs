//! Whether the rows of a spec have their names last, for the oracle: as libarchive finds out from the first three rows.

/// What libarchive takes for a keyword when it looks for the form.
const KEYWORDS: &str = "content contents cksum device flags gid gname ignore inode link md5 md5digest mode nlink \
    nochange optional resdevice rmd160 rmd160digest sha1 sha1digest sha256 sha256digest sha384 sha384digest sha512 \
    sha512digest size tags time type uid uname";

/// Whether the rows have their names last.
pub fn names_are_last(spec: &[u8]) -> bool {
    let spec: String = spec.iter().map(|byte| char::from(*byte)).collect();
    let mut kinds: Vec<Kind> = Vec::new();
    let mut lines = spec.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        if kinds.len() == 3 {
            break;
        }
        let Some(line) = line.strip_suffix('\n') else {
            return false;
        };
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.contains(['\r', '\0']) {
            return false;
        }
        let line = line.trim_start_matches([' ', '\t']);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with('/') {
            let mut text = line.to_owned();
            while let Some(begun) = text.strip_suffix('\\') {
                match lines.next().and_then(|line| line.strip_suffix('\n')) {
                    Some(more) if more.starts_with([' ', '\t']) => text = format!("{begun} {more}"),
                    _ => return false,
                }
            }
            let mut words = words(&text);
            let is_good = match words.remove(0) {
                "/set" => are_keywords(&words, false),
                "/unset" => are_keywords(&words, true),
                _ => false,
            };
            if !is_good {
                return false;
            }
            continue;
        }
        kinds.push(kind(line));
    }
    kinds.iter().any(|kind| matches!(kind, Kind::NameLast))
        && kinds.iter().all(|kind| matches!(kind, Kind::NameLast | Kind::NameAlone))
}

enum Kind {
    NameLast,
    NameAlone,
    Other,
}

fn kind(line: &str) -> Kind {
    let mut words = words(line);
    let is_name = |word: &str| word.chars().all(|c| c.is_ascii_graphic() && c != '#' && c != '=');
    if is_name(words[0]) {
        return if words.len() == 1 { Kind::NameAlone } else { Kind::Other };
    }
    let name = match words.pop() {
        // Blanks at the end are an empty name.
        Some(name) if line.ends_with(name) => name,
        _ => return Kind::Other,
    };
    let is_path = is_name(name) && name.contains('/') && !name.starts_with('/');
    match is_path && !name.ends_with('\\') && are_keywords(&words, false) {
        true => Kind::NameLast,
        false => Kind::Other,
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split([' ', '\t']).filter(|word| !word.is_empty()).collect()
}

fn are_keywords(words: &[&str], unset: bool) -> bool {
    let is_known = |keyword: &str| KEYWORDS.split(' ').any(|known| known == keyword);
    !words.is_empty()
        && words.iter().all(|word| match word.split_once('=') {
            Some((keyword, value)) => is_known(keyword) && (unset || !value.is_empty()),
            None => is_known(word) || unset && *word == "all",
        })
}
