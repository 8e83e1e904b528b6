//! Shows an error and its causes as one sentence.
//!
//! Knows how an error and its causes are joined, and errno's phrases; must not know any error of this
//! program. Each boundary has an error type of its own.

use std::error::Error;
use std::fmt;
use std::io;

/// Shows an error followed by its causes, joined by colons, on one line.
///
/// An error type of this program says what failed and where. Its `source` says why, and is not part of its own
/// text, so that nothing is printed twice.
pub struct Sentence<'e>(pub &'e (dyn Error + 'static));

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut next = Some(self.0);
        let mut separator = "";
        while let Some(error) = next {
            f.write_str(separator)?;
            match error.downcast_ref::<io::Error>() {
                Some(error) => f.write_str(&phrase(error))?,
                None => write!(f, "{error}")?,
            }
            separator = ": ";
            next = error.source();
        }
        Ok(())
    }
}

/// The phrase of errno, such as `Permission denied`, without its number.
pub fn phrase(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((text, _)) => text.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("out.mtree: --out cannot be written")]
    struct Outer {
        source: io::Error,
    }

    #[test]
    fn a_sentence_has_the_error_then_the_cause_without_errno_number() {
        let outer = Outer { source: io::Error::from_raw_os_error(13) };
        assert_eq!(
            Sentence(&outer).to_string(),
            "out.mtree: --out cannot be written: Permission denied"
        );
    }
}
