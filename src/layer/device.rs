//! Numbers of devices, as mtree(5) spells them.
//!
//! Knows the formats of `device=` and how Linux takes a `dev_t` apart; must not know rows
//! (`archive_pack_dev.c`).

use super::entry::Device;
use super::keywords::number;

/// Reads `FORMAT,MAJOR,MINOR`, or one number. The fields are put together as the system called FORMAT
/// does, and taken apart as Linux does. What libarchive refuses is an error.
pub(super) fn parse(value: &[u8]) -> Result<Device, &'static str> {
    let Some(comma) = memchr::memchr(b',', value) else {
        return Ok(unpack(number(&mut &*value, 0).cast_unsigned()));
    };
    let mut numbers = Vec::new();
    let (format, mut rest) = (&value[..comma], &value[comma + 1..]);
    while !rest.is_empty() {
        let end = memchr::memchr(b',', rest).unwrap_or(rest.len());
        if end == 0 {
            return Err("a number is missing");
        }
        numbers.push(number(&mut &rest[..end], 0).cast_unsigned());
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    let split_at =
        |bits: u32| move |major: u64, minor: u64| low(major, 32 - bits) << bits | low(minor, bits);
    let packed = match format {
        b"native" => pack(&numbers, native),
        b"netbsd" => pack(&numbers, |major, minor| {
            low(major, 12) << 8 | low(minor >> 8, 12) << 20 | low(minor, 8)
        }),
        b"freebsd" => pack(&numbers, |major, minor| low(major, 8) << 8 | minor & 0x7fff_00ff),
        b"386bsd" | b"4bsd" | b"isc" | b"linux" | b"sco" | b"sunos" | b"svr3" | b"ultrix" => {
            pack(&numbers, |major, minor| low(major, 8) << 8 | low(minor, 8))
        }
        b"hpux" => pack(&numbers, split_at(24)),
        b"bsdos" if numbers.len() == 3 => {
            let minor = low(numbers[1], 12) << 8 | low(numbers[2], 8);
            let fits = numbers[0] < 1 << 12 && numbers[1] < 1 << 12 && numbers[2] < 1 << 8;
            fits.then(|| numbers[0] << 20 | minor)
        }
        b"bsdos" | b"osf1" => pack(&numbers, split_at(20)),
        b"solaris" | b"svr4" => pack(&numbers, split_at(18)),
        _ => return Err("there is no such format of a device"),
    };
    packed.map(unpack).ok_or("the numbers do not fit the format of the device")
}

fn low(number: u64, bits: u32) -> u64 {
    number & ((1 << bits) - 1)
}

fn native(major: u64, minor: u64) -> u64 {
    low(major, 12) << 8 | low(major >> 12, 20) << 44 | low(minor, 8) | low(minor >> 8, 24) << 20
}

/// Puts two numbers together. `None` if there are more or fewer, or if they are too large for the format.
fn pack(numbers: &[u64], packed: impl Fn(u64, u64) -> u64) -> Option<u64> {
    let &[major, minor] = numbers else { return None };
    let device = packed(major, minor);
    // Both fit if none of their bits is lost.
    let is_kept = packed(major, 0).count_ones() == major.count_ones()
        && packed(0, minor).count_ones() == minor.count_ones();
    is_kept.then_some(device)
}

/// Takes a `dev_t` of Linux apart.
fn unpack(device: u64) -> Device {
    Device {
        major: (low(device >> 8, 12) | (device >> 32) & 0xffff_f000) as u32,
        minor: (low(device, 8) | (device >> 12) & 0xffff_ff00) as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_read_in_the_format_that_it_names() {
        let device = |major, minor| Ok(Device { major, minor });
        assert_eq!(parse(b"native,8,1"), device(8, 1));
        assert_eq!(parse(b"native,4294967295,0x10000"), device(u32::MAX, 0x10000));
        assert_eq!(parse(b"linux,8,0x11"), device(8, 17));
        assert_eq!(parse(b"0x801"), device(8, 1));
        assert_eq!(parse(b"svr4,1,2"), device(1024, 2));
    }

    #[test]
    fn what_does_not_fit_the_format_is_an_error() {
        for value in [
            &b"linux,256,1"[..],
            b"linux,1",
            b"linux,1,2,3",
            b"linux,,1",
            b"vms,1,2",
            b"native,4294967296,1",
        ] {
            assert!(parse(value).is_err(), "{}", value.escape_ascii());
        }
    }
}
