//! Markdown of a model, as HTML that cannot do anything: raw HTML is shown as the text it is, links go to the web or to a
//! mailbox and know nothing of this page, images are links and load nothing.

use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// The attribute that marks a code block's copy button; the page listens for clicks on it.
pub const COPY: &str = "data-copy-code";

/// Renders a whole text, or one block of it.
pub fn render(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut tame = Tame::default();
    let events = Parser::new_ext(markdown, options).flat_map(|event| tame.take(event));
    let mut out = String::with_capacity(markdown.len() * 3 / 2);
    html::push_html(&mut out, events);
    out
}

/// Where the text that is certainly finished ends: blocks that no later line can change. `from` is where the last answer
/// ended; the pieces between are blocks that can be rendered once and for all while the rest still grows.
pub fn closed_blocks(text: &str, from: usize) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut fence: Option<(char, usize)> = None;
    let mut blank_before = false;
    let mut at = from;
    // Only whole lines are looked at: the last one may still grow.
    for line in text[from..].split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let bare = line.trim_end();
        // A block ends where, after a blank line, something starts that is not a part of it: not indented, no list item.
        if fence.is_none() && blank_before && !bare.is_empty() && !continues(bare) {
            ends.push(at);
        }
        match (fence, fence_of(bare)) {
            (None, opened) => fence = opened,
            (Some((mark, length)), Some((found, at_least)))
                if mark == found && at_least >= length && bare.trim_start().trim_start_matches(mark).is_empty() =>
            {
                fence = None;
            }
            _ => {}
        }
        blank_before = bare.is_empty();
        at += line.len();
    }
    ends
}

/// Whether a line after a blank one may belong to the list or the quotation above it.
fn continues(line: &str) -> bool {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    line.starts_with([' ', '\t', '>'])
        || ["- ", "* ", "+ "].iter().any(|mark| line.starts_with(mark))
        || (digits > 0 && line[digits..].starts_with(['.', ')']))
}

fn fence_of(line: &str) -> Option<(char, usize)> {
    let line = line.trim_start();
    let mark = line.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let length = line.chars().take_while(|c| *c == mark).count();
    (length >= 3).then_some((mark, length))
}

#[derive(Default)]
struct Tame {
    /// For each open link or image: what closes it.
    open: Vec<&'static str>,
}

impl Tame {
    fn take<'a>(&mut self, event: Event<'a>) -> Vec<Event<'a>> {
        match event {
            Event::Html(raw) | Event::InlineHtml(raw) => vec![Event::Text(raw)],
            Event::Start(Tag::HtmlBlock) => vec![Event::Start(Tag::Paragraph)],
            Event::End(TagEnd::HtmlBlock) => vec![Event::End(TagEnd::Paragraph)],
            Event::Start(Tag::Link { dest_url, .. }) => vec![markup(self.start_link(&dest_url, ""))],
            Event::Start(Tag::Image { dest_url, .. }) => vec![markup(self.start_link(&dest_url, "Image: "))],
            Event::End(TagEnd::Link | TagEnd::Image) => vec![markup(self.open.pop().unwrap_or_default())],
            Event::Start(Tag::CodeBlock(kind)) => vec![markup(code_start(&kind))],
            Event::End(TagEnd::CodeBlock) => vec![markup("</code></pre></div>")],
            Event::Start(Tag::Table(columns)) => vec![
                markup("<div class=\"md-table\" role=\"region\" aria-label=\"Table\" tabindex=\"0\">"),
                Event::Start(Tag::Table(columns)),
            ],
            Event::End(TagEnd::Table) => vec![Event::End(TagEnd::Table), markup("</div>")],
            // The page has its own h1 and h2.
            Event::Start(Tag::Heading { level, .. }) => {
                vec![Event::Start(Tag::Heading {
                    level: lower(level),
                    id: None,
                    classes: Vec::new(),
                    attrs: Vec::new(),
                })]
            }
            Event::End(TagEnd::Heading(level)) => vec![Event::End(TagEnd::Heading(lower(level)))],
            Event::TaskListMarker(done) => vec![Event::Text(if done { "☑ " } else { "☐ " }.into())],
            other => vec![other],
        }
    }

    /// The opening tag, or nothing where the target is not one to follow or a link is already open.
    fn start_link(&mut self, target: &str, before: &'static str) -> String {
        let nested = self.open.contains(&"</a>");
        if nested || !may_follow(target) {
            self.open.push("");
            return before.to_owned();
        }
        self.open.push("</a>");
        format!("<a href=\"{}\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">{before}", escaped(target))
    }
}

fn markup<'a>(html: impl Into<CowStr<'a>>) -> Event<'a> {
    Event::InlineHtml(html.into())
}

fn code_start(kind: &CodeBlockKind<'_>) -> String {
    let language = match kind {
        CodeBlockKind::Fenced(info) => info.split([' ', ',', '{']).next().unwrap_or_default(),
        CodeBlockKind::Indented => "",
    };
    format!(
        "<div class=\"md-code\"><div class=\"md-code-head\"><span>{}</span><button type=\"button\" {COPY}>Copy code</button>\
         </div><pre tabindex=\"0\"><code>",
        escaped(language)
    )
}

fn lower(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H3,
        HeadingLevel::H2 => HeadingLevel::H4,
        HeadingLevel::H3 => HeadingLevel::H5,
        _ => HeadingLevel::H6,
    }
}

/// Only absolute addresses of the web and of mailboxes: a relative one would lead into this site.
fn may_follow(target: &str) -> bool {
    let scheme = target.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    scheme.is_some_and(|scheme| matches!(scheme.as_str(), "http" | "https" | "mailto"))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_html_stays_text() {
        for (text, forbidden) in [
            ("<script>alert(1)</script>", "<script"),
            ("a <img src=x onerror=alert(1)> b", "<img"),
            ("<div onclick=\"x()\">\n\nhi\n\n</div>", "<div"),
            ("<iframe src=\"https://x\"></iframe>", "<iframe"),
            ("```\n</code></pre><script>x</script>\n```", "<script"),
            ("```<script>\nx\n```", "<script"),
            ("| a |\n|---|\n| <b onmouseover=x>c</b> |", "<b"),
        ] {
            let html = render(text);
            assert!(!html.to_lowercase().contains(forbidden), "{text} gave {html}");
        }
        assert!(render("use <br> here").contains("use &lt;br&gt; here"));
    }

    #[test]
    fn only_links_to_the_web_or_a_mailbox_are_links() {
        for bad in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "/admin",
            "//x",
            "file:///etc",
            "x",
        ] {
            let html = render(&format!("[t]({bad}) ![i]({bad})"));
            assert!(!html.contains("<a") && html.contains('t'), "{bad} gave {html}");
        }
        let html = render("[t](https://x.example/?a=1&b=\"2\")");
        assert!(html.contains("rel=\"noopener noreferrer nofollow\"") && html.contains("target=\"_blank\""));
        assert!(!html.contains("b=\"2"), "{html}");
        assert!(render("<https://x.example>").contains("href=\"https://x.example\""));
        assert!(render("[m](mailto:a@b.example)").contains("<a"));
    }

    #[test]
    fn images_load_nothing_and_links_do_not_nest() {
        let html = render("![a cat](https://x.example/c.png)");
        assert!(!html.contains("<img") && html.contains(">Image: a cat</a>"), "{html}");
        let html = render("[![badge](https://x.example/b.svg)](https://x.example)");
        assert_eq!((html.matches("<a ").count(), html.matches("</a>").count()), (1, 1), "{html}");
    }

    #[test]
    fn code_can_be_copied_and_tables_scrolled() {
        let html = render("```rust\nlet a = 1 < 2;\n```");
        assert!(html.contains(COPY) && html.contains("<span>rust</span>") && html.contains("1 &lt; 2"), "{html}");
        assert!(render("| a |\n|---|\n| b |").contains("tabindex=\"0\"><table>"));
        assert!(render("# T").contains("<h3>T</h3>"));
        assert!(!render("- [x] done").contains("<input"));
    }

    fn blocks(text: &str) -> Vec<&str> {
        let ends = closed_blocks(text, 0);
        let starts = std::iter::once(0).chain(ends.iter().copied());
        starts.zip(ends.iter().copied()).map(|(start, end)| &text[start..end]).collect()
    }

    #[test]
    fn blocks_close_when_the_next_has_begun() {
        assert_eq!(blocks("one\n\ntwo\n\nthree"), ["one\n\n"]);
        assert_eq!(blocks("one\n\ntwo\n\nthree\n"), ["one\n\n", "two\n\n"]);
        assert!(blocks("one\n\n").is_empty());
        assert!(blocks("- a\n\n- b\n\n  more\n\n").is_empty(), "a list goes on");
        assert_eq!(blocks("1. a\n\n2. b\n\nafter\n"), ["1. a\n\n2. b\n\n"]);
        assert!(blocks("```\na\n\nb\n\n").is_empty(), "a fence goes on");
        assert_eq!(blocks("````\n```\n\nx\n````\n\nafter\n"), ["````\n```\n\nx\n````\n\n"]);
        assert!(blocks("~~~\n```\n\nx\n\ny\n").is_empty());
    }

    #[test]
    fn growing_text_closes_the_same_blocks_as_the_whole() {
        let text = "# T\n\npara\n\n```js\na\n\nb\n```\n\n- x\n\n- y\n\nend\n\nlast\n";
        let whole = closed_blocks(text, 0);
        let mut seen: Vec<usize> = Vec::new();
        for (at, _) in text.char_indices().chain([(text.len(), ' ')]) {
            let from = seen.last().copied().unwrap_or(0);
            seen.extend(closed_blocks(&text[..at], from));
        }
        assert_eq!(seen, whole);
        assert!(!whole.is_empty());
    }
}
