//! Names in messages: verbatim where a terminal can show them, else escaped as in vis(3).
//!
//! Knows bytes and how a terminal shows them; must not know what a name refers to.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Shows any bytes in a message, on one line.
pub struct Escaped<'b>(pub &'b [u8]);

impl<'b> Escaped<'b> {
    /// Shows a path.
    pub fn path(path: &'b Path) -> Self {
        Self(path.as_os_str().as_bytes())
    }
}

/// [`Escaped`], as a string.
pub fn escaped(bytes: &[u8]) -> String {
    Escaped(bytes).to_string()
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                if character.is_control() || is_invisible_format(character) {
                    let mut bytes = [0; 4];
                    octal(character.encode_utf8(&mut bytes).as_bytes(), f)?;
                } else {
                    write!(f, "{character}")?;
                }
            }
            octal(chunk.invalid(), f)?;
        }
        Ok(())
    }
}

/// Whether a character has no glyph and changes how others are shown: it sets their direction, joins or separates
/// them, or has no width.
fn is_invisible_format(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

fn octal(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "\\{byte:03o}"))
}

#[cfg(test)]
mod tests {
    use super::Escaped;

    #[test]
    fn a_name_of_any_byte_is_shown_on_one_line() {
        assert_eq!(Escaped("a\u{202e}b".as_bytes()).to_string(), "a\\342\\200\\256b");
        assert_eq!(Escaped(b"caf\xc3\xa9 \xff\n").to_string(), "caf\u{e9} \\377\\012");
    }
}
