//! FAT's clock: years from 1980 to 2107, steps of two seconds, no time zone.

/// 1980-01-01, in seconds since 1970: the first day that FAT has.
const FIRST: u64 = 315_532_800;

/// 2107-12-31 23:59:58, the last moment.
const LAST: u64 = 4_354_819_198;

/// A moment as directory entries hold it. The clock is read as UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp {
    /// Year from 1980 (7 bits), month (4), day (5).
    pub date: u16,
    /// Hour (5 bits), minute (6), seconds / 2 (5).
    pub time: u16,
}

impl Timestamp {
    /// From seconds since 1970. What lies outside FAT's years becomes their first or last moment: mtools lets 1970 wrap
    /// around to 2098.
    ///
    /// ```
    /// use packager::disk::fat::Timestamp;
    ///
    /// assert_eq!(Timestamp::from_unix(0), Timestamp { date: 1 << 5 | 1, time: 0 });
    /// ```
    pub fn from_unix(seconds: u64) -> Self {
        let seconds = seconds.clamp(FIRST, LAST);
        let (year, month, day) = civil(seconds / 86_400);
        let of_day = seconds % 86_400;
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        Self {
            date: ((year - 1980) << 9 | month << 5 | day) as u16,
            time: ((hour << 11) | (minute << 5) | (second / 2)) as u16,
        }
    }
}

/// Year, month and day of a day since 1970. Counts in years that begin in March, so that a leap day is the last of its year.
pub(in crate::disk) fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    // 719468 days lie between 0000-03-01 and 1970-01-01.
    let days = days + 719_468;
    let era = days / DAYS_OF_400_YEARS;
    let of_era = days % DAYS_OF_400_YEARS;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(18_518), (2020, 9, 13));
    }

    #[test]
    fn the_ends_are_clamped() {
        assert_eq!(
            Timestamp::from_unix(1),
            Timestamp {
                date: 0x21,
                time: 0
            }
        );
        let last = Timestamp::from_unix(u64::MAX);
        assert_eq!(last.date, 127 << 9 | 12 << 5 | 31);
        assert_eq!(last.time, 23 << 11 | 59 << 5 | 29);
    }
}
