//! Lists as files.

use leptos::prelude::*;
use serde_json::{Map, Value};
use wasm_bindgen::{JsCast, JsValue};

/// Rows as comma-separated values with a head line: the given fields in their order.
pub fn csv(fields: &[&str], rows: &[Map<String, Value>]) -> String {
    let mut text = fields.join(",");
    text.push_str("\r\n");
    for row in rows {
        let cells: Vec<String> = fields.iter().map(|field| cell(row.get(*field))).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    text
}

fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => return String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => return quoted(&other.to_string()),
    };
    // A text that a spreadsheet would run as a formula stays a text.
    if text.starts_with(['=', '+', '-', '@', '\t']) { quoted(&format!("'{text}")) } else { quoted(&text) }
}

fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// Hands a text to the browser as a file.
pub fn download(name: &str, kind: &str, text: &str) -> Result<(), JsValue> {
    let parts = js_sys::Array::of1(&JsValue::from_str(text));
    let options = web_sys::BlobPropertyBag::new();
    options.set_type(kind);
    let blob = web_sys::Blob::new_with_str_sequence_and_options(&parts, &options)?;
    let url = web_sys::Url::create_object_url_with_blob(&blob)?;
    let link: web_sys::HtmlAnchorElement = document().create_element("a")?.unchecked_into();
    link.set_href(&url);
    link.set_download(name);
    link.click();
    web_sys::Url::revoke_object_url(&url)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        let rows = [json!({ "a": "x, \"y\"", "b": 3 }), json!({ "a": "=1+1", "b": null, "c": { "d": 1 } })];
        let rows: Vec<_> = rows.iter().filter_map(|row| row.as_object().cloned()).collect();
        let text = csv(&["a", "b", "c"], &rows);
        assert_eq!(text, "a,b,c\r\n\"x, \"\"y\"\"\",3,\r\n'=1+1,,\"{\"\"d\"\":1}\"\r\n");
    }
}
