//! Where signed-out people go, and how they come back.

/// The sign-in page that leads back to `path` with its `query`.
pub fn sign_in_path(path: &str, query: &str) -> String {
    let query = query.trim_start_matches('?');
    match (path, query) {
        ("" | "/", "") => "/sign-in".to_owned(),
        (path, "") => format!("/sign-in?next={}", escape(path)),
        (path, query) => format!("/sign-in?next={}", escape(&format!("{path}?{query}"))),
    }
}

/// Percent-encodes all but unreserved characters and `/`.
pub fn escape(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => out.push(char::from(byte)),
            _ => {
                out.push('%');
                out.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])));
            }
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::sign_in_path;

    #[test]
    fn the_way_back_survives_the_query() {
        assert_eq!(sign_in_path("/", ""), "/sign-in");
        assert_eq!(sign_in_path("/account", "?"), "/sign-in?next=/account");
        assert_eq!(sign_in_path("/test/text", "?run=1&a=b c"), "/sign-in?next=/test/text%3Frun%3D1%26a%3Db%20c");
        assert_eq!(sign_in_path("/", "x=é"), "/sign-in?next=/%3Fx%3D%C3%A9");
    }
}
