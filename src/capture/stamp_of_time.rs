//! Moments as they stand in the names of files: in UTC, so that names sort by time.

/// `20261122T152308.123456Z` for a moment in microseconds since 1970.
pub fn utc(microseconds: u64) -> String {
    let (seconds, millionths) = (microseconds / 1_000_000, microseconds % 1_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}.{millionths:06}Z")
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar. Years are
/// counted from March on, so that the leap day is their last.
fn date(days: u64) -> (u64, u64, u64) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    // From 0000-03-01.
    let days = days + 719_468;
    let (era, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_utc() {
        assert_eq!(utc(0), "19700101T000000.000000Z");
        assert_eq!(utc(951_782_400_000_000), "20000229T000000.000000Z");
        assert_eq!(utc(1_767_225_599_999_999), "20251231T235959.999999Z");
        assert_eq!(utc(1_740_787_200_000_001), "20250301T000000.000001Z");
    }
}
