//! Unique ids that sort by the time they were made (UUID version 7), so that indexes on them grow at one end.

use crate::{clock, random};

/// A new id, such as `0199c2a4-7d1e-7b3a-9f42-5c1de0a7b3f1`.
#[must_use]
pub fn unique() -> String {
    from_parts(clock::unix_nanos_now() / 1_000_000, random::u128())
}

fn from_parts(unix_ms: u64, random: u128) -> String {
    let time = u128::from(unix_ms & 0xffff_ffff_ffff) << 80;
    let version = 7_u128 << 76;
    let variant = 2_u128 << 62;
    let noise = random & 0x0fff_3fff_ffff_ffff_ffff;
    let hex = format!("{:032x}", time | version | variant | noise);
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_time_version_and_variant() {
        assert_eq!(
            from_parts(0x0123_4567_89ab, u128::MAX),
            "01234567-89ab-7fff-bfff-ffffffffffff"
        );
        assert_eq!(from_parts(0, 0), "00000000-0000-7000-8000-000000000000");
    }

    #[test]
    fn later_ids_sort_after_earlier_ones() {
        assert!(from_parts(1, u128::MAX) < from_parts(2, 0));
        assert_ne!(unique(), unique());
    }
}
