//! Sizes, durations and rates as people write them.

/// Bytes: `512MiB`, `10GB`, `4096`.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(format!("`{unit}` is no size unit; write it like 512MiB or 10GB")),
    };
    scaled(number, factor).ok_or_else(|| format!("`{text}` is no size; write it like 512MiB or 10GB"))
}

/// Seconds: `30s`, `5m`, `2h`, `7d`, `45`.
pub(crate) fn seconds(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let factor: u64 = match unit {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(format!("`{unit}` is no unit of time; write it like 30s, 5m or 2h")),
    };
    scaled(number, factor).ok_or_else(|| format!("`{text}` is no duration; write it like 30s, 5m or 2h"))
}

/// An age at which telemetry is removed, in seconds: a minute at least.
pub(crate) fn retention(text: &str) -> Result<u64, String> {
    match seconds(text)? {
        0..60 => Err("telemetry is kept for 1m at least".into()),
        seconds => Ok(seconds),
    }
}

/// Orders each second: 0 to 1,000.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.0..=1_000.0).contains(&rate) => Ok(rate),
        _ => Err("a rate is a number from 0 to 1000".into()),
    }
}

/// A rate at which something happens at all.
pub(crate) fn load_rate(text: &str) -> Result<f64, String> {
    match rate(text) {
        Ok(rate) if rate >= 0.1 => Ok(rate),
        _ => Err("a rate is a number from 0.1 to 1000".into()),
    }
}

/// A version, as services tell theirs.
pub(crate) fn version(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    match text {
        "" => Err("a version is not empty".into()),
        _ if text.len() > 32 || !text.chars().all(is_plain) => {
            Err("a version is up to 32 letters, digits, dots and dashes, such as 2.0.0".into())
        }
        _ => Ok(text.to_owned()),
    }
}

/// A base port with room for all ports that are counted from it.
pub(crate) fn port_base(text: &str) -> Result<u16, String> {
    match text.parse::<u16>() {
        Ok(base) if (1_024..=65_500).contains(&base) => Ok(base),
        _ => Err("a port base is a number from 1024 to 65500".into()),
    }
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

fn scaled(number: &str, factor: u64) -> Option<u64> {
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(bytes("4096"), Ok(4096));
        assert_eq!(bytes("512MiB"), Ok(512 << 20));
        assert_eq!(bytes("10 GB"), Ok(10_000_000_000));
        for wrong in ["", "MiB", "12 parsecs", "-1", "99999999999TiB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(seconds("45"), Ok(45));
        assert_eq!(seconds("30s"), Ok(30));
        assert_eq!(seconds("7d"), Ok(604_800));
        for wrong in ["", "s", "5 fortnights", "1.5h", "9999999999999999999d"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nothing_is_removed_within_a_minute() {
        assert_eq!(retention("1m"), Ok(60));
        for wrong in ["0", "59s", "soon"] {
            assert!(retention(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn versions_are_plain() {
        assert_eq!(version("2.0.0-rc_1"), Ok("2.0.0-rc_1".to_owned()));
        for wrong in ["", "2 0", "../2", &"9".repeat(33)] {
            assert!(version(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates_and_ports_are_bounded() {
        assert_eq!(rate("2.5"), Ok(2.5));
        for wrong in ["-1", "NaN", "inf", "1001", "many"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
        assert_eq!(port_base("4317"), Ok(4317));
        for wrong in ["0", "80", "65535", "http"] {
            assert!(port_base(wrong).is_err(), "{wrong}");
        }
    }
}
