//! Numbers and times as people read them. No locale and no clock: both sides of the wire must write the same.

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// `1234567` as `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// At most four digits: `950`, `12.3k`, `1.05M`.
pub fn compact(number: u64) -> String {
    let scaled = |by: f64, unit: &str| {
        let value = number as f64 / by;
        let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
        format!("{}{unit}", trim(format!("{value:.digits$}")))
    };
    match number {
        0..=9_999 => count(number),
        10_000..=999_499 => scaled(1e3, "k"),
        999_500..=999_499_999 => scaled(1e6, "M"),
        _ => scaled(1e9, "B"),
    }
}

/// Micro-dollars as dollars, with as many digits as the size asks for: `$12.30`, `$0.0042`, `$0.000017`.
pub fn money(micro_usd: i64) -> String {
    let sign = if micro_usd < 0 { "-" } else { "" };
    let micro = micro_usd.unsigned_abs();
    let dollars = micro as f64 / 1e6;
    match micro {
        0 => "$0".to_owned(),
        1..=9_999 => format!("{sign}${}", trim(format!("{dollars:.6}"))),
        10_000..=999_999 => format!("{sign}${dollars:.4}"),
        _ => {
            let cents = (micro + 5_000) / 10_000;
            format!("{sign}${}.{:02}", count(cents / 100), cents % 100)
        }
    }
}

/// A price in dollars per million tokens: `$2.50`.
pub fn price(usd: f64) -> String {
    if usd == 0.0 {
        "free".to_owned()
    } else if usd < 0.1 {
        format!("${}", trim(format!("{usd:.4}")))
    } else {
        format!("${usd:.2}")
    }
}

/// A duration: `420 µs`, `12 ms`, `1.24 s`, `2 min 5 s`, `3 h 4 min`, `2 d 3 h`.
pub fn duration(us: i64) -> String {
    let us = us.max(0);
    let pair = |whole: i64, unit: &str, rest: i64, small: &str| {
        if rest == 0 { format!("{whole} {unit}") } else { format!("{whole} {unit} {rest} {small}") }
    };
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..10_000 => format!("{} ms", trim(format!("{:.1}", us as f64 / 1e3))),
        10_000..999_500 => format!("{:.0} ms", us as f64 / 1e3),
        999_500..9_995_000 => format!("{:.2} s", us as f64 / 1e6),
        9_995_000..59_950_000 => format!("{:.1} s", us as f64 / 1e6),
        59_950_000..HOUR => pair(us / MINUTE, "min", us % MINUTE / SECOND, "s"),
        HOUR..DAY => pair(us / HOUR, "h", us % HOUR / MINUTE, "min"),
        _ => pair(us / DAY, "d", us % DAY / HOUR, "h"),
    }
}

/// A long duration in whole units: `4 s`, `2 min 5 s`, `3 h 4 min`.
pub fn span(us: i64) -> String {
    match us.max(0) {
        us if us < MINUTE => format!("{} s", us / SECOND),
        us => duration(us),
    }
}

/// Tokens per second over a span; nothing when the span is too short to say.
pub fn rate(tokens: u64, us: i64) -> Option<String> {
    (us >= 1_000 && tokens > 0).then(|| {
        let rate = tokens as f64 / (us as f64 / 1e6);
        if rate < 10.0 { format!("{rate:.1} tok/s") } else { format!("{} tok/s", count(rate.round() as u64)) }
    })
}

/// `2026-11-20 06:33:12 UTC`.
pub fn utc(us: i64) -> String {
    let (y, mo, d, h, mi, s) = civil(us);
    format!("{y:04}-{mo:02}-{d:02} {h:02}:{mi:02}:{s:02} UTC")
}

/// `2026-11-20T06:33:12Z`, for `datetime` attributes.
pub fn iso_utc(us: i64) -> String {
    let (y, mo, d, h, mi, s) = civil(us);
    format!("{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}Z")
}

/// The moment of `2026-11-20T06:33`, with or without seconds, fraction and `Z`; always UTC.
pub fn parse_utc(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', ' '])?;
    let number = |text: &str| text.parse::<i64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let mut parts = date.splitn(3, '-').map(number);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let (time, fraction) = time.trim_end_matches('Z').split_once('.').unwrap_or((time.trim_end_matches('Z'), "0"));
    let mut parts = time.splitn(3, ':').map(number);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    let micro = number(&format!("{fraction:0<6}").chars().take(6).collect::<String>())?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days by counting years that begin in March, as `civil` does.
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let year_of_era = year - era * 400;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * MINUTE + second * SECOND + micro)
}

/// How long ago, in one unit: `just now`, `4 min ago`, `3 d ago`; past thirty days the date.
pub fn ago(at_us: i64, now_us: i64) -> String {
    match now_us - at_us {
        past if past < 10 * SECOND => "just now".to_owned(),
        past if past < MINUTE => format!("{} s ago", past / SECOND),
        past if past < HOUR => format!("{} min ago", past / MINUTE),
        past if past < DAY => format!("{} h ago", past / HOUR),
        past if past < 30 * DAY => format!("{} d ago", past / DAY),
        _ => utc(at_us).chars().take(10).collect(),
    }
}

fn trim(number: String) -> String {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.').to_owned() } else { number }
}

/// Year, month, day, hour, minute and second of a moment in UTC, by counting years that begin in March.
fn civil(us: i64) -> (i64, i64, i64, i64, i64, i64) {
    let seconds = us.div_euclid(SECOND);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let from_march = days + 719_468;
    let era = from_march.div_euclid(146_097);
    let day_of_era = from_march.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day, rest / 3_600, rest % 3_600 / 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        assert_eq!(
            ["0", "999", "1,000", "1,234,567"],
            [0, 999, 1_000, 1_234_567].map(count).each_ref().map(String::as_str)
        );
        assert_eq!(compact(9_999), "9,999");
        assert_eq!(compact(12_345), "12.3k");
        assert_eq!(compact(999_499), "999k");
        assert_eq!(compact(999_500), "1M");
        assert_eq!(compact(1_050_000), "1.05M");
        assert_eq!(compact(2_000_000_000), "2B");
    }

    #[test]
    fn money_keeps_the_digits_that_matter() {
        for (micro, text) in [
            (0, "$0"),
            (17, "$0.000017"),
            (4_200, "$0.0042"),
            (10_000, "$0.0100"),
            (123_456, "$0.1235"),
            (12_300_000, "$12.30"),
            (1_999_995_000, "$2,000.00"),
            (-4_200, "-$0.0042"),
        ] {
            assert_eq!(money(micro), text);
        }
        assert_eq!(price(0.0), "free");
        assert_eq!(price(0.075), "$0.075");
        assert_eq!(price(2.5), "$2.50");
    }

    #[test]
    fn durations() {
        for (us, text) in [
            (420, "420 µs"),
            (1_000, "1 ms"),
            (1_500, "1.5 ms"),
            (12_400, "12 ms"),
            (1_240_000, "1.24 s"),
            (12_340_000, "12.3 s"),
            (125 * SECOND, "2 min 5 s"),
            (120 * SECOND, "2 min"),
            (3 * HOUR + 4 * MINUTE, "3 h 4 min"),
            (2 * DAY + 3 * HOUR, "2 d 3 h"),
        ] {
            assert_eq!(duration(us), text);
        }
        assert_eq!([span(0), span(4_900_000), span(65 * SECOND)], ["0 s", "4 s", "1 min 5 s"]);
        assert_eq!(rate(50, 2 * SECOND).as_deref(), Some("25 tok/s"));
        assert_eq!(rate(5, 2 * SECOND).as_deref(), Some("2.5 tok/s"));
        assert_eq!(rate(5, 0), None);
    }

    #[test]
    fn moments() {
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(951_782_400 * SECOND), "2000-02-29 00:00:00 UTC");
        assert_eq!(iso_utc(1_795_156_392 * SECOND + 999_999), "2026-11-20T06:33:12Z");
        assert_eq!(utc(-1), "1969-12-31 23:59:59 UTC");
        for us in [0, 951_782_400 * SECOND, 1_795_156_392 * SECOND, 4_102_444_799 * SECOND] {
            assert_eq!(parse_utc(&iso_utc(us)), Some(us));
        }
        assert_eq!(parse_utc("2026-11-20T06:33:12.999999Z"), Some(1_795_156_392 * SECOND + 999_999));
        assert_eq!(parse_utc("1970-01-01T00:01"), Some(MINUTE));
        for wrong in ["", "2026-11-20", "2026-13-01T00:00", "2026-11-20T24:00", "x-1-1T0:0", "2026-11-20T06:3x"] {
            assert_eq!(parse_utc(wrong), None, "{wrong}");
        }
        let now = 1_795_156_392 * SECOND;
        assert_eq!(ago(now + SECOND, now), "just now");
        assert_eq!(ago(now - 59 * SECOND, now), "59 s ago");
        assert_eq!(ago(now - 3 * HOUR, now), "3 h ago");
        assert_eq!(ago(now - 40 * DAY, now), "2026-10-11");
    }
}
