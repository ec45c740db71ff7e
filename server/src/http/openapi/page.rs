//! The document as one page: plain HTML that needs no script and loads nothing. A script of a few lines adds copy buttons.

use std::{fmt::Write, sync::LazyLock};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::fields::{fields, kind};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Allows this page's own style and script, by their hashes, and nothing else.
pub static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
});

/// The theme that the consoles' cookie names.
pub fn theme(cookies: &str) -> &'static str {
    match cookies.split(';').find_map(|pair| pair.trim().strip_prefix("theme=")) {
        Some("light") => "light",
        Some("dark") => "dark",
        _ => "system",
    }
}

/// The page; `base` is the server's address, for the examples.
pub fn page(document: &Value, base: &str, theme: &str) -> String {
    let page = Page { document, base };
    let info = &document["info"];
    let title = escape(text(&info["title"]));
    let mut out = String::with_capacity(256 * 1024);
    let _ = write!(
        out,
        "<!DOCTYPE html><html lang=\"en\" data-theme=\"{theme}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>API reference · {title}</title>\
         <link rel=\"icon\" href=\"/favicon.svg\" type=\"image/svg+xml\"><style>{STYLE}</style></head><body>\
         <a class=\"skip\" href=\"#main\">Skip to the reference</a>\
         <header class=\"top\"><strong>{title} <span class=\"muted\">{version}</span></strong>\
         <a href=\"/\">Console</a><a href=\"/openapi.json\">openapi.json</a></header><div class=\"frame\">{nav}\
         <main id=\"main\"><h1>API reference</h1>{about}",
        version = escape(text(&info["version"])),
        nav = page.navigation(),
        about = prose(text(&info["description"])),
    );
    page.keys(&mut out);
    for tag in items(&document["tags"]) {
        page.surface(tag, &mut out);
    }
    page.headers(&mut out);
    page.schemas(&mut out);
    let _ = write!(out, "</main></div><script>{SCRIPT}</script></body></html>");
    out
}

struct Page<'a> {
    document: &'a Value,
    base: &'a str,
}

impl<'a> Page<'a> {
    /// Method, path and description of the operations of a tag.
    fn operations(&self, tag: &'a str) -> impl Iterator<Item = (&'a str, &'a str, &'a Value)> {
        entries(&self.document["paths"])
            .flat_map(|(path, methods)| entries(methods).map(move |(method, operation)| (method, path, operation)))
            .filter(move |(.., operation)| operation["tags"][0] == tag)
    }

    fn resolve(&self, value: &'a Value) -> &'a Value {
        let target = value["$ref"].as_str().and_then(|reference| self.document.pointer(reference.get(1..)?));
        target.unwrap_or(value)
    }

    fn navigation(&self) -> String {
        let mut out = "<nav aria-label=\"Contents\"><ul><li><a href=\"#keys\">Keys</a></li></ul>".to_owned();
        for tag in items(&self.document["tags"]) {
            let name = text(&tag["name"]);
            let _ = write!(out, "<h2><a class=\"anchor\" href=\"#{}\">{}</a></h2><ul>", slug(name), escape(name));
            for (method, path, operation) in self.operations(name) {
                let _ = write!(
                    out,
                    "<li><a href=\"#{}\"><code class=\"method {method}\">{}</code> <code>{}</code></a></li>",
                    text(&operation["operationId"]),
                    method.to_uppercase(),
                    escape(path)
                );
            }
            out.push_str("</ul>");
        }
        out.push_str(
            "<h2>Everywhere</h2><ul><li><a href=\"#headers\">Response headers</a></li>\
             <li><a href=\"#schemas\">Schemas</a></li></ul></nav>",
        );
        out
    }

    fn keys(&self, out: &mut String) {
        out.push_str("<h2 id=\"keys\">Keys</h2><p>Any one of these is enough.</p>");
        let rows = entries(&self.document["components"]["securitySchemes"]).map(|(_, scheme)| {
            let name = match (text(&scheme["in"]), text(&scheme["name"])) {
                ("", _) => "Authorization".to_owned(),
                (place, name) => format!("{name}</code> <span class=\"muted\">{place}</span><code>"),
            };
            (format!("<code>{name}</code>"), prose(text(&scheme["description"])))
        });
        table(["Where", "How"], rows, out);
    }

    fn surface(&self, tag: &'a Value, out: &mut String) {
        let name = text(&tag["name"]);
        let _ = write!(out, "<h2 id=\"{}\">{}</h2>{}", slug(name), escape(name), prose(text(&tag["description"])));
        for (method, path, operation) in self.operations(name) {
            self.operation(method, path, operation, out);
        }
        let codes = items(&tag["x-error-codes"]);
        if codes.is_empty() {
            return;
        }
        let _ = write!(out, "<h3 id=\"{0}-errors\">Errors of this surface</h3>", slug(name));
        let rows = codes.iter().map(|row| {
            let kind = row["type"].as_str().map(|kind| format!("<br><span class=\"muted\">{kind}</span>"));
            let code = row["code"].as_str().map_or("<span class=\"muted\">no code</span>".to_owned(), code);
            (
                format!("{} {code}{}", row["status"], kind.unwrap_or_default()),
                format!("{}<span class=\"muted\">{}</span>", prose(text(&row["meaning"])), text(&row["source"])),
            )
        });
        table(["Status and code", "Meaning and source"], rows, out);
    }

    fn operation(&self, method: &str, path: &str, operation: &'a Value, out: &mut String) {
        let id = text(&operation["operationId"]);
        let _ = write!(
            out,
            "<article id=\"{id}\"><h3><code class=\"method {method}\">{}</code><a class=\"anchor\" href=\"#{id}\">\
             <code>{}</code></a></h3><p><strong>{}</strong></p>{}",
            method.to_uppercase(),
            escape(path),
            escape(text(&operation["summary"])),
            prose(text(&operation["description"])),
        );
        if operation["security"].as_array().is_some_and(Vec::is_empty) {
            out.push_str("<p class=\"muted\">Needs no key.</p>");
        }
        let parameters: Vec<_> = items(&operation["parameters"]).iter().map(|value| self.resolve(value)).collect();
        if !parameters.is_empty() {
            out.push_str("<h4>Parameters</h4>");
            let rows = parameters.iter().map(|parameter| {
                let place = format!("{}, in {}", kind(&parameter["schema"]), text(&parameter["in"]));
                let must = parameter["required"] == true;
                (naming(text(&parameter["name"]), &place, must), prose(text(&parameter["description"])))
            });
            table(["Name", "Meaning"], rows, out);
        }
        let body = &operation["requestBody"]["content"]["application/json"];
        if !body.is_null() {
            let _ = write!(out, "<h4>Body: {}</h4>", kind(&body["schema"]));
            self.fields_of(&body["schema"], out);
        }
        out.push_str("<h4>Example</h4>");
        let path = parameters.iter().filter(|parameter| parameter["in"] == "path").fold(path.to_owned(), |path, p| {
            path.replace(&format!("{{{}}}", text(&p["name"])), p["example"].as_str().unwrap_or_default())
        });
        let is_public = !operation["security"].is_null();
        if body.is_null() {
            sample(&curl(self.base, &path, is_public, None), out);
        }
        for (name, example) in entries(&body["examples"]) {
            let _ = write!(out, "<h5>{}</h5>", escape(name));
            sample(&curl(self.base, &path, is_public, Some(&example["value"])), out);
        }
        out.push_str("<h4>Answers</h4>");
        for (status, answer) in entries(&operation["responses"]) {
            self.answer(id, status, answer, out);
        }
        out.push_str("</article>");
    }

    fn answer(&self, id: &str, status: &str, answer: &'a Value, out: &mut String) {
        let about = escape(text(&answer["description"]));
        let _ = write!(out, "<h5 id=\"{id}-{status}\">{status}: {about}</h5>");
        let names: Vec<_> = entries(&answer["headers"])
            .map(|(name, _)| format!("<a href=\"#header-{name}\"><code>{name}</code></a>"))
            .collect();
        if !names.is_empty() {
            let _ = write!(out, "<p class=\"muted\">Headers: {}</p>", names.join(", "));
        }
        for (media_type, media) in entries(&answer["content"]) {
            let event = &media["x-event-schema"];
            let schema = if event.is_null() { &media["schema"] } else { event };
            let each = if event.is_null() { "" } else { ", each event " };
            let _ = write!(out, "<p><code>{media_type}</code>{}", if each.is_empty() { ": " } else { each });
            let _ = write!(out, "{}</p>{}", kind(schema), prose(text(&media["schema"]["description"])));
            if let Some(example) = media["example"].as_str() {
                sample(example.trim_end(), out);
            }
            let examples: Vec<_> = entries(&media["examples"]).collect();
            match examples.as_slice() {
                [(_, one)] => sample(&pretty(&one["value"]), out),
                [] => {}
                many => {
                    let _ = write!(out, "<details><summary>{} examples</summary>", many.len());
                    many.iter().for_each(|(_, example)| sample(&pretty(&example["value"]), out));
                    out.push_str("</details>");
                }
            }
        }
    }

    fn headers(&self, out: &mut String) {
        out.push_str("<h2 id=\"headers\">Response headers</h2>");
        let rows = entries(&self.document["components"]["headers"]).map(|(name, header)| {
            let named = naming(name, &kind(&header["schema"]), false);
            (format!("<span id=\"header-{name}\">{named}</span>"), prose(text(&header["description"])))
        });
        table(["Name", "Meaning"], rows, out);
    }

    fn schemas(&self, out: &mut String) {
        out.push_str("<h2 id=\"schemas\">Schemas</h2>");
        for (name, schema) in entries(&self.document["components"]["schemas"]) {
            let _ = write!(
                out,
                "<article id=\"schema-{name}\"><h3><a class=\"anchor\" href=\"#schema-{name}\">{name}</a></h3>{}",
                prose(text(&schema["description"]))
            );
            self.fields_of(schema, out);
            out.push_str("</article>");
        }
    }

    /// The fields of a schema as a table, or one table for each form that it has.
    fn fields_of(&self, schema: &'a Value, out: &mut String) {
        let schema = self.resolve(schema);
        let forms = schema["anyOf"].as_array().map_or(std::slice::from_ref(schema), Vec::as_slice);
        for (number, form) in forms.iter().enumerate() {
            if forms.len() > 1 {
                let _ = write!(out, "<h5>Form {}: {}</h5>", number + 1, kind(form));
            }
            let rows: Vec<_> = fields(form)
                .into_iter()
                .map(|field| (naming(&field.path, &kind(field.schema), field.must), field.about()))
                .collect();
            if !rows.is_empty() {
                table(["Field", "Meaning"], rows.into_iter(), out);
            }
        }
    }
}

fn naming(name: &str, kind: &str, must: bool) -> String {
    let must = if must { "<br><span class=\"must\">required</span>" } else { "" };
    format!("{}<br><span class=\"muted\">{kind}</span>{must}", code(name))
}

fn table(heads: [&str; 2], rows: impl Iterator<Item = (String, String)>, out: &mut String) {
    let [first, second] = heads;
    let _ = write!(
        out,
        "<table><thead><tr><th scope=\"col\">{first}</th><th scope=\"col\">{second}</th></tr></thead><tbody>"
    );
    for (name, about) in rows {
        let _ = write!(out, "<tr><th scope=\"row\">{name}</th><td>{about}</td></tr>");
    }
    out.push_str("</tbody></table>");
}

/// A block of text to copy. It can be scrolled by keyboard, hence the tab stop.
fn sample(text: &str, out: &mut String) {
    let _ = write!(out, "<div class=\"sample\"><pre tabindex=\"0\"><code>{}</code></pre></div>", escape(text));
}

/// A command for a shell in which `ELECTRONS_API_KEY` is a key.
fn curl(base: &str, path: &str, is_public: bool, body: Option<&Value>) -> String {
    let streams = body.is_some_and(|body| body["stream"] == true) || path.ends_with("/stream");
    let mut command = format!("curl {}{base}{path}", if streams { "-N " } else { "" });
    if !is_public {
        command.push_str(" \\\n  -H \"Authorization: Bearer $ELECTRONS_API_KEY\"");
    }
    if let Some(body) = body {
        let quoted = pretty(body).replace('\'', r"'\''");
        let _ = write!(command, " \\\n  -H 'Content-Type: application/json' \\\n  -d '{quoted}'");
    }
    command
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// CommonMark, as much of it as the document uses: paragraphs and code.
pub fn prose(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    let html = paragraphs.map(|paragraph| {
        let pieces = paragraph.split('`').enumerate();
        let inline: String = pieces.map(|(at, piece)| if at % 2 == 1 { code(piece) } else { escape(piece) }).collect();
        format!("<p>{inline}</p>")
    });
    html.collect()
}

pub fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(text))
}

pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn slug(name: &str) -> String {
    name.to_lowercase().replace(' ', "-")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}
