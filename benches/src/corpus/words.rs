//! Realistic text: names, sentences, times and ids that compress as an application's do.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::vocabulary::{CITIES, FIRST_NAMES, GOODS, LAST_NAMES, STREETS, WORDS};
use crate::random::Random;

/// The first night's clock, 2026-01-05 02:00 UTC.
const FIRST_NIGHT_SECONDS: i64 = 1_767_578_400;
const DAY_SECONDS: i64 = 86_400;

/// A first and a last name.
pub fn name(random: &mut Random) -> String {
    format!(
        "{} {}",
        random.pick_common(&FIRST_NAMES),
        random.pick_common(&LAST_NAMES)
    )
}

/// An address of `name`; `id` keeps it unique.
pub fn email(name: &str, id: u64) -> String {
    let local: String = name.to_lowercase().chars().map(ascii_letter).collect();
    format!("{local}{id}@example.org")
}

fn ascii_letter(letter: char) -> char {
    match letter {
        ' ' => '.',
        'ü' => 'u',
        other => other,
    }
}

/// A city's name.
pub fn city(random: &mut Random) -> &'static str {
    random.pick_common(&CITIES)
}

/// A street and a house number.
pub fn street(random: &mut Random) -> String {
    format!(
        "{} {}",
        random.pick_common(&STREETS),
        random.between(1, 180)
    )
}

/// The name of an article.
pub fn goods(random: &mut Random) -> String {
    format!(
        "{} {}-{}",
        random.pick(&GOODS),
        random.between(10, 99),
        random.between(1, 9) * 100
    )
}

/// A sentence of so many words.
pub fn sentence(random: &mut Random, words: u64) -> String {
    let mut text = String::with_capacity(words as usize * 7);
    for index in 0..words {
        let word = random.pick_common(&WORDS);
        if index == 0 {
            text.push_str(&word[..1].to_uppercase());
            text.push_str(&word[1..]);
        } else {
            text.push(' ');
            text.push_str(word);
        }
    }
    text.push('.');
    text
}

/// A random (version 4) UUID.
pub fn uuid(random: &mut Random) -> String {
    let (high, low) = (random.next(), random.next());
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

/// What an application logs of a request, as JSON on one line.
pub fn event_json(random: &mut Random) -> String {
    let mut text = String::with_capacity(160);
    let action = random.pick_common(&["update", "view", "create", "export", "login", "delete"]);
    let (ip, agent) = (random.below(65_536), random.between(118, 131));
    let _ = write!(
        text,
        r#"{{"action": "{action}", "ip": "10.4.{}.{}", "agent": "Firefox/{agent}.0", "ms": {}"#,
        ip >> 8,
        ip & 255,
        random.between(2, 900)
    );
    if random.permille(400) {
        let _ = write!(
            text,
            r#", "old": {0}, "new": {1}"#,
            random.below(500),
            random.below(500)
        );
    }
    text.push('}');
    text
}

/// The clock of a night, in seconds since 1970.
pub fn night_seconds(night: u32) -> i64 {
    FIRST_NIGHT_SECONDS + i64::from(night - 1) * DAY_SECONDS
}

/// A moment in the two years before the first night.
pub fn past(random: &mut Random) -> String {
    time(FIRST_NIGHT_SECONDS - random.below(730 * DAY_SECONDS as u64) as i64)
}

/// A moment in the day before `night`.
pub fn last_day(random: &mut Random, night: u32) -> String {
    time(night_seconds(night) - random.below(DAY_SECONDS as u64) as i64)
}

/// `YYYY-MM-DD hh:mm:ss`, in UTC.
pub fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}
