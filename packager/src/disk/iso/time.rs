//! The two forms in which ISO 9660 has a moment; both in UTC.

use crate::disk::fat::civil;

/// 2155-12-31 23:59:59: a directory counts its years in one byte, from 1900.
const LAST: u64 = 5_869_583_999;

/// A moment from 1970 to 2155.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Clock {
    /// From seconds since 1970. Years behind 2155 become that one.
    pub(super) fn from_unix(seconds: u64) -> Self {
        let seconds = seconds.min(LAST);
        let (year, month, day) = civil(seconds / 86_400);
        let of_day = seconds % 86_400;
        Self {
            year,
            month,
            day,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
        }
    }

    /// ECMA-119, section 9.1.5: one byte each, the last one for the time zone.
    pub(super) fn short(self) -> [u8; 7] {
        let year = self.year - 1900;
        [
            year,
            self.month,
            self.day,
            self.hour,
            self.minute,
            self.second,
            0,
        ]
        .map(|part| part as u8)
    }

    /// ECMA-119, section 8.4.26.1: digits down to hundredths of a second, and the time zone.
    pub(super) fn long(self) -> [u8; 17] {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        let text = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}00\0");
        let mut out = [0; 17];
        out.copy_from_slice(text.as_bytes());
        out
    }
}

/// What stands where no moment is meant.
pub(super) const NEVER: [u8; 17] = *b"0000000000000000\0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let clock = Clock::from_unix(1_700_000_000);
        assert_eq!(clock.short(), [123, 11, 14, 22, 13, 20, 0]);
        assert_eq!(&clock.long(), b"2023111422132000\0");
    }

    #[test]
    fn the_last_year_is_that_of_one_byte() {
        assert_eq!(
            Clock::from_unix(u64::MAX).short(),
            [255, 12, 31, 23, 59, 59, 0]
        );
        assert_eq!(&Clock::from_unix(0).long(), b"1970010100000000\0");
    }
}
