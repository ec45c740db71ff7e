//! How good a result looks, by rules that need no model. Scores are counted in tenths, so that they come out exact.

use std::collections::HashSet;

use reqwest::Url;
use serde_json::{Map, Value, json};

const APPROVED: f64 = 0.8;
const PASSED: f64 = 0.5;
const REJECTED: f64 = 0.3;

const ERROR_WORDS: [&str; 5] = ["error", "failed", "unable to", "cannot", "sorry, i"];
const IMAGES: Address = Address {
    name: "Image",
    extensions: &["png", "jpg", "jpeg", "gif", "webp", "svg", "avif", "bmp", "tif", "tiff", "heic"],
    folders: &["/images/"],
    other: "URL may not be an image",
};
const VIDEOS: Address = Address {
    name: "Video",
    extensions: &["mp4", "webm", "mov", "m4v", "avi", "mkv", "mpeg", "mpg", "ogv", "gif"],
    folders: &["/images/", "/videos/"],
    other: "URL may not be a video",
};
const SOUNDS: Address = Address {
    name: "Audio",
    extensions: &["mp3", "wav", "ogg", "m4a", "aac"],
    folders: &["/audio/"],
    other: "URL may not be an audio file",
};

/// What can be said of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// 0 to 1.
    pub score: f64,
    pub passed: bool,
    /// Good enough, and without any issue.
    pub approved: bool,
    pub rejected: bool,
    pub issues: Vec<String>,
    /// What was measured.
    pub metadata: Map<String, Value>,
}

/// What an address of media should look like.
struct Address {
    name: &'static str,
    extensions: &'static [&'static str],
    folders: &'static [&'static str],
    other: &'static str,
}

/// Tenths that are left, and why others are not.
struct Score {
    tenths: u8,
    issues: Vec<String>,
    metadata: Map<String, Value>,
}

/// Assesses a result of this type.
pub fn assess(content_type: &str, content: &str) -> Assessment {
    let mut score = Score { tenths: 10, issues: Vec::new(), metadata: Map::new() };
    match content_type {
        "text" => score.text(content),
        "image_url" => score.address(content, &IMAGES),
        "video_url" => score.address(content, &VIDEOS),
        "audio_url" => score.address(content, &SOUNDS),
        "json" if serde_json::from_str::<serde::de::IgnoredAny>(content).is_err() => {
            score.nothing("Invalid JSON content")
        }
        "json" => {}
        _ => score.less(3, "Unknown content type"),
    }
    score.done()
}

impl Assessment {
    /// The same with a reason why it is worth nothing.
    pub fn refused(mut self, issue: String) -> Self {
        self.issues.push(issue);
        Self { score: 0.0, passed: false, approved: false, rejected: true, ..self }
    }

    /// As it is stored with a deliverable.
    pub fn to_json(&self) -> Value {
        let mut json = self.metadata.clone();
        json.insert("passed".to_owned(), self.passed.into());
        json.insert("approved".to_owned(), self.approved.into());
        json.insert("issues".to_owned(), json!(self.issues));
        Value::Object(json)
    }
}

impl Score {
    fn less(&mut self, tenths: u8, issue: &str) {
        self.tenths = self.tenths.saturating_sub(tenths);
        self.issues.push(issue.to_owned());
    }

    fn nothing(&mut self, issue: &str) {
        self.less(10, issue);
    }

    fn text(&mut self, content: &str) {
        let text = content.trim();
        let length = content.chars().count();
        let mut word_count = 0_usize;
        let mut different = HashSet::new();
        for word in text.split_whitespace() {
            word_count += 1;
            different.insert(word.to_lowercase());
        }
        let unique = different.len();
        let ratio = if word_count == 0 { 0.0 } else { unique as f64 / word_count as f64 };
        self.metadata.insert("length".to_owned(), length.into());
        self.metadata.insert("word_count".to_owned(), word_count.into());
        self.metadata.insert("unique_word_ratio".to_owned(), ratio.into());
        if text.is_empty() {
            self.nothing("Content is empty");
            return;
        }
        if length < 10 {
            self.less(3, "Content is too short");
        }
        let beginning = content.chars().take(100).collect::<String>().to_lowercase();
        if ERROR_WORDS.iter().any(|word| beginning.contains(word)) {
            self.less(2, "Content may indicate an error response");
        }
        if word_count > 20 && unique * 10 < word_count * 3 {
            self.less(2, "High content repetition detected");
        }
        if text.ends_with("...") || text.ends_with('…') {
            self.less(1, "Content may be truncated");
        }
    }

    fn address(&mut self, content: &str, expected: &Address) {
        if content.trim().is_empty() {
            self.nothing(&format!("{} URL is empty", expected.name));
            return;
        }
        let Ok(url) = Url::parse(content.trim()) else {
            self.nothing("Invalid URL format");
            return;
        };
        if url.scheme() != "https" {
            self.less(1, "URL is not HTTPS");
        }
        let path = url.path().to_lowercase();
        if path.contains("error") || path.contains("placeholder") {
            self.less(3, "URL may point to an error or a placeholder");
        }
        let has_extension = path.rsplit_once('.').is_some_and(|(_, end)| expected.extensions.contains(&end));
        if !has_extension && !expected.folders.iter().any(|folder| path.contains(folder)) {
            self.less(1, expected.other);
        }
    }

    fn done(self) -> Assessment {
        let score = f64::from(self.tenths) / 10.0;
        Assessment {
            score,
            passed: score >= PASSED,
            approved: score >= APPROVED && self.issues.is_empty(),
            rejected: score < REJECTED,
            issues: self.issues,
            metadata: self.metadata,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_rule_takes_what_it_should() {
        const SHORT: &str = "Content is too short";
        const ERROR: &str = "Content may indicate an error response";
        const REPEATED: &str = "High content repetition detected";
        const CUT: &str = "Content may be truncated";
        const PLAIN: &str = "URL is not HTTPS";
        const BROKEN: &str = "URL may point to an error or a placeholder";
        let again = "word ".repeat(21);
        let still_fine = "word ".repeat(20);
        let late = format!("{} error", "The river runs along the old wall and under the bridge. ".repeat(2));
        let cases: &[(&str, &str, f64, &[&str])] = &[
            ("text", "A clean paragraph about the sea, the wind and the birds.", 1.0, &[]),
            ("text", "Hi", 0.7, &[SHORT]),
            ("text", "", 0.0, &["Content is empty"]),
            ("text", " \n\t ", 0.0, &["Content is empty"]),
            ("text", "ten chars!", 1.0, &[]),
            ("text", "nine char", 0.7, &[SHORT]),
            ("text", "Error: it failed and I am unable to go on", 0.8, &[ERROR]),
            ("text", "It FAILED in the morning", 0.8, &[ERROR]),
            ("text", "We are Unable To do this", 0.8, &[ERROR]),
            ("text", "One cannot step into it twice", 0.8, &[ERROR]),
            ("text", "Sorry, I know nothing of it", 0.8, &[ERROR]),
            ("text", &late, 1.0, &[]),
            ("text", &again, 0.8, &[REPEATED]),
            ("text", &still_fine, 1.0, &[]),
            ("text", "And then it went on...", 0.9, &[CUT]),
            ("text", "And then it went on… ", 0.9, &[CUT]),
            ("text", "error...", 0.4, &[SHORT, ERROR, CUT]),
            ("image_url", "https://x/y.png", 1.0, &[]),
            ("image_url", "http://x/y.png", 0.9, &[PLAIN]),
            ("image_url", "https://x/Y.JPG?size=2", 1.0, &[]),
            ("image_url", "https://x/images/7", 1.0, &[]),
            ("image_url", "https://x/y", 0.9, &["URL may not be an image"]),
            ("image_url", "https://x/y.mp4", 0.9, &["URL may not be an image"]),
            ("image_url", "https://x/error.png", 0.7, &[BROKEN]),
            ("image_url", "https://x/placeholder.png", 0.7, &[BROKEN]),
            ("image_url", "http://x/error", 0.5, &[PLAIN, BROKEN, "URL may not be an image"]),
            ("image_url", "https://error.example/y.png", 1.0, &[]),
            ("image_url", "", 0.0, &["Image URL is empty"]),
            ("image_url", "not an address", 0.0, &["Invalid URL format"]),
            ("video_url", "https://x/y.mp4", 1.0, &[]),
            ("video_url", "https://x/y", 0.9, &["URL may not be a video"]),
            ("video_url", "", 0.0, &["Video URL is empty"]),
            ("audio_url", "https://x/y.mp3", 1.0, &[]),
            ("audio_url", "https://x/y.wav", 1.0, &[]),
            ("audio_url", "https://x/y.ogg", 1.0, &[]),
            ("audio_url", "https://x/y.m4a", 1.0, &[]),
            ("audio_url", "https://x/y.aac", 1.0, &[]),
            ("audio_url", "https://x/audio/7", 1.0, &[]),
            ("audio_url", "https://x/y.png", 0.9, &["URL may not be an audio file"]),
            ("audio_url", "", 0.0, &["Audio URL is empty"]),
            ("json", "{\"a\": [1, null]}", 1.0, &[]),
            ("json", "7", 1.0, &[]),
            ("json", "{\"a\":", 0.0, &["Invalid JSON content"]),
            ("json", "", 0.0, &["Invalid JSON content"]),
            ("hologram", "anything", 0.7, &["Unknown content type"]),
        ];
        for (kind, content, score, issues) in cases {
            let found = assess(kind, content);
            assert_eq!(
                (found.score, &found.issues[..]),
                (*score, &issues.iter().map(|i| (*i).to_owned()).collect::<Vec<_>>()[..]),
                "{kind} {content:?}"
            );
            assert_eq!(found.passed, *score >= 0.5, "{content:?}");
            assert_eq!(found.approved, *score >= 0.8 && issues.is_empty(), "{content:?}");
            assert_eq!(found.rejected, *score < 0.3, "{content:?}");
        }
    }

    #[test]
    fn texts_are_measured() {
        let found = assess("text", "one two Two three");
        assert_eq!(
            found.to_json(),
            json!({
                "length": 17, "word_count": 4, "unique_word_ratio": 0.75, "passed": true, "approved": true, "issues": []
            })
        );
    }

    proptest! {
        #[test]
        fn a_score_is_between_nothing_and_one(
            kind in prop_oneof!["text", "image_url", "audio_url", "video_url", "json", ".*"],
            content in prop_oneof![any::<String>(), "https?://[a-z./]{0,30}", "([a-z]{1,3} ){0,40}"],
        ) {
            let found = assess(&kind, &content);
            prop_assert!((0.0..=1.0).contains(&found.score));
            prop_assert!(!(found.approved && found.rejected));
            prop_assert!(!found.approved || found.passed);
        }
    }
}
