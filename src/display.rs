//! Names in messages: as they are where a terminal can show them, else as vis(3) has them.
//!
//! Knows bytes and what a terminal does with them; must not know what a name stands for.

use std::fmt;

/// Shows bytes in a message. Whatever they are, the message stays one line.
pub struct Escaped<'b>(pub &'b [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for letter in chunk.valid().chars() {
                if letter.is_control() || deceives(letter) {
                    let mut bytes = [0; 4];
                    octal(letter.encode_utf8(&mut bytes).as_bytes(), f)?;
                } else {
                    write!(f, "{letter}")?;
                }
            }
            octal(chunk.invalid(), f)?;
        }
        Ok(())
    }
}

/// Whether a letter is not seen itself, but how others are: it turns the direction in which they are
/// read, joins or parts them, or takes no room.
fn deceives(letter: char) -> bool {
    matches!(
        letter,
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
