//! Globs on paths for the oracle: `*`, `?`, `[a-z]` and `{a,b}` stay in one component, `**` does not.

/// Whether `pattern` matches `path` or a directory above it; a pattern also matches itself, byte for byte.
pub fn matches_at_or_above(pattern: &[u8], path: &[u8]) -> bool {
    let ends =
        path.iter().enumerate().filter(|(at, byte)| **byte == b'/' && *at > 0).map(|(at, _)| at);
    ends.chain([path.len()]).any(|end| {
        let path = &path[..end];
        path == pattern || expanded(pattern).iter().any(|pattern| matches(pattern, path))
    })
}

/// `pattern` once for each choice of its braces.
fn expanded(pattern: &[u8]) -> Vec<Vec<u8>> {
    let Some(open) = pattern.iter().position(|byte| *byte == b'{') else {
        return vec![pattern.to_vec()];
    };
    let (mut depth, mut starts, mut close) = (0, vec![open + 1], None);
    for (at, byte) in pattern.iter().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    close = Some(at);
                    break;
                }
            }
            b',' if depth == 1 => starts.push(at + 1),
            _ => {}
        }
    }
    let close = close.expect("the braces are closed");
    let ends = starts.iter().skip(1).map(|start| start - 1).chain([close]);
    let choices = starts.iter().zip(ends).map(|(start, end)| &pattern[*start..end]);
    choices
        .flat_map(|choice| expanded(&[&pattern[..open], choice, &pattern[close + 1..]].concat()))
        .collect()
}

fn matches(pattern: &[u8], path: &[u8]) -> bool {
    match pattern {
        [] => path.is_empty(),
        b"**" => !path.is_empty(),
        [b'*', b'*', b'/', rest @ ..] => {
            // No directory, or any number of them.
            let starts =
                path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at + 1);
            [0].into_iter().chain(starts).any(|start| matches(rest, &path[start..]))
        }
        b"/**" => path.len() > 1 && path[0] == b'/',
        [b'/', b'*', b'*', b'/', rest @ ..] => {
            let starts =
                path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at + 1);
            path.first() == Some(&b'/')
                && starts.into_iter().any(|start| matches(rest, &path[start..]))
        }
        [b'*', rest @ ..] => {
            let name = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
            (0..=name).any(|end| matches(rest, &path[end..]))
        }
        [b'?', rest @ ..] => {
            path.first().is_some_and(|byte| *byte != b'/') && matches(rest, &path[1..])
        }
        [b'[', rest @ ..] => {
            let Some((first, path)) = path.split_first() else {
                return false;
            };
            let (is_not, rest) = match rest {
                [b'!' | b'^', rest @ ..] => (true, rest),
                _ => (false, rest),
            };
            let close =
                1 + rest[1..].iter().position(|byte| *byte == b']').expect("the class is closed");
            let mut class = &rest[..close];
            let mut is_in = false;
            while let [low, more @ ..] = class {
                let (high, more) = match more {
                    [b'-', high, more @ ..] => (high, more),
                    _ => (low, more),
                };
                is_in |= (low..=high).contains(&first);
                class = more;
            }
            is_in != is_not && *first != b'/' && matches(&rest[close + 1..], path)
        }
        [b'\\', byte, rest @ ..] | [byte, rest @ ..] => {
            path.first() == Some(byte) && matches(rest, &path[1..])
        }
    }
}
