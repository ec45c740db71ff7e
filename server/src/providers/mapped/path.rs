//! Response paths: `$`, `$.a.b`, `$.a[0].b`.

use serde_json::Value;

/// A path that can be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path<'a>(Vec<Step<'a>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    /// Reads a path; the error says what is wrong with it.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        let Some(mut rest) = text.strip_prefix('$') else { return Err("a path must begin with $".to_owned()) };
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(behind) = rest.strip_prefix('.') {
                let end = behind.find(['.', '[']).unwrap_or(behind.len());
                if end == 0 {
                    return Err("a name is missing after a dot".to_owned());
                }
                steps.push(Step::Key(&behind[..end]));
                rest = &behind[end..];
            } else if let Some(behind) = rest.strip_prefix('[') {
                let (index, after) = behind.split_once(']').ok_or("a [ is not closed")?;
                let index = index.parse().map_err(|_| "between [ and ] stands a number, counted from 0")?;
                steps.push(Step::Index(index));
                rest = after;
            } else {
                return Err("after $ and after ] come a dot, a [ or the end".to_owned());
            }
        }
        Ok(Self(steps))
    }

    /// The value there; a missing or null one is `None`.
    pub fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        let found = self.0.iter().try_fold(value, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Index(index) => value.get(index),
        });
        found.filter(|value| !value.is_null())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_are_followed() {
        let value = json!({"a": [{"b": 1}, [2, 3]], "n": null, "odd key": {"ü": "x"}});
        for (path, expected) in [
            ("$", Some(value.clone())),
            ("$.a[0].b", Some(json!(1))),
            ("$.a[1][1]", Some(json!(3))),
            ("$.odd key.ü", Some(json!("x"))),
            ("$.a[2]", None),
            ("$.a.b", None),
            ("$.n", None),
            ("$.n.x", None),
            ("$.a[99999999999]", None),
        ] {
            assert_eq!(Path::parse(path).unwrap().find(&value).cloned(), expected, "{path}");
        }
        assert_eq!(Path::parse("$[1]").unwrap().find(&json!([1, 2])), Some(&json!(2)));
    }

    #[test]
    fn wrong_paths_are_told() {
        for path in [
            "",
            "a",
            "$a",
            "$.",
            "$..a",
            "$.a.",
            "$.a[",
            "$.a[x]",
            "$.a[-1]",
            "$.a[0]b",
            "$[]",
            "$[999999999999999999999]",
        ] {
            assert!(Path::parse(path).is_err(), "{path}");
        }
    }
}
