//! The records of a pax header.
//!
//! Knows the form of a record, and which fields of an owner or a device need one; must not know the
//! blocks around them.

use super::{LARGE_ID, LONGEST_OWNER, padding};
use crate::layer::entry::Time;

/// The records of one pax header, in the order in which they were added.
#[derive(Default)]
pub(super) struct Records(Vec<u8>);

impl Records {
    /// Whether there are none, so that there is no pax header.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds `LENGTH KEY=VALUE\n`. The length counts itself.
    pub(super) fn add(&mut self, key: &str, value: &[u8]) {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        self.0.extend_from_slice(format!("{length} {key}=").as_bytes());
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }

    /// Adds an owner's number and name, each if its field cannot hold it. Returns whether it added one.
    pub(super) fn add_owner(
        &mut self,
        id_key: &str,
        id: i64,
        name_key: &str,
        name: Option<&[u8]>,
    ) -> bool {
        let before = self.len();
        if id >= LARGE_ID {
            self.add(id_key, id.to_string().as_bytes());
        }
        if let Some(name) = name
            && (name.len() > LONGEST_OWNER || !name.is_ascii())
        {
            self.add(name_key, name);
        }
        self.len() > before
    }

    /// Adds a device's number if its field cannot hold it. Returns whether it added it.
    pub(super) fn add_device(&mut self, key: &str, number: u32) -> bool {
        // libarchive reads it as a signed number here.
        let is_large = i64::from(number.cast_signed()) >= LARGE_ID;
        if is_large {
            self.add(key, number.to_string().as_bytes());
        }
        is_large
    }

    /// Appends the records to `out`, in whole blocks.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
        out.resize(out.len() + padding(self.len() as u64), 0);
    }
}

/// A time in decimal, without zeros at its end.
pub(super) fn decimal(time: Time) -> String {
    if time.nanoseconds == 0 {
        return time.seconds.to_string();
    }
    let text = format!("{}.{:09}", time.seconds, time.nanoseconds);
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_the_digits_of_its_own_length() {
        for (value, length) in [(91, 99), (92, 101), (93, 102)] {
            let mut records = Records::default();
            records.add("path", &vec![b'a'; value - 1]);
            let text = format!("{length} path=");
            assert!(records.0.starts_with(text.as_bytes()), "{value}");
            assert_eq!(records.len(), length);
        }
    }

    #[test]
    fn a_time_has_no_zeros_at_its_end() {
        let time = |seconds, nanoseconds| decimal(Time { seconds, nanoseconds });
        assert_eq!(time(-1, 0), "-1");
        assert_eq!(time(0, 5), "0.000000005");
        assert_eq!(time(10, 500_000_000), "10.5");
    }
}
