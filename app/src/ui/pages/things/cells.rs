//! What stands in a cell, by the kind of its field.

use leptos::prelude::*;
use serde_json::{Map, Value};

use super::{
    keys::KeyUse,
    limits::LimitUse,
    names::Names,
    specs::{Spec, href},
};
use crate::{
    types::config::{FieldKind, Thing, ThingRow},
    ui::kit::{Badge, Col, Glyph, Icon, Time, Tone, format},
};

/// The columns of a list, all that there are; `Spec::columns` are the ones shown at first.
pub fn columns(spec: &'static Spec, names: Names) -> Vec<Col> {
    spec.columns.iter().chain(spec.more).map(|name| column(spec.thing, name, names, *name == spec.columns[0])).collect()
}

fn column(thing: &'static Thing, name: &'static str, names: Names, is_link: bool) -> Col {
    let special = special(thing, name, names);
    let (label, kind) = match (name, thing.field(name)) {
        ("pricing", _) => ("Price, in / out per 1M", FieldKind::Json),
        ("config", _) if thing.kind == "instance" => ("Limits", FieldKind::Json),
        ("created_at", _) => ("Created", FieldKind::Time),
        ("updated_at", _) => ("Changed", FieldKind::Time),
        ("usage", _) if thing.kind == "rate-limit" => ("Used", FieldKind::Json),
        ("usage", _) => ("30 days", FieldKind::Json),
        (_, Some(field)) => (field.label, field.kind),
        _ if thing.kind == "rate-limit" => ("Applies to", FieldKind::Line),
        _ => ("Id", FieldKind::Line),
    };
    let numeric = matches!(kind, FieldKind::Whole(_) | FieldKind::Number | FieldKind::Money);
    let sortable = special.is_none()
        && !matches!(kind, FieldKind::Json | FieldKind::Words | FieldKind::Ref(_))
        && (thing.field(name).is_some() || kind == FieldKind::Time);
    let mut col = Col::drawn(name, label, move |row| match special {
        Some(draw) => draw(row, names),
        None => value(kind, name, row.body.get(name).unwrap_or(&Value::Null), names, !is_link),
    });
    col.numeric = numeric;
    col.sortable = sortable;
    col
}

type Special = fn(&ThingRow, Names) -> AnyView;

/// Cells that say more than their field does.
fn special(thing: &Thing, name: &str, _names: Names) -> Option<Special> {
    Some(match (thing.kind, name) {
        ("rate-limit", "id") => |row, names| scope_of_limit(&row.body, names).into_any(),
        ("model-config", "capabilities") => |row, _| capabilities(row.body.get("capabilities")),
        ("model-config", "pricing") => |row, _| tight(pricing(row.body.get("pricing"))),
        ("model-config", "rate_limits") => |row, _| tight(rates(row.body.get("rate_limits"))),
        ("instance", "config") => |row, _| instance_limits(&row.body),
        ("api-key", "usage") => |row, _| KeyUse::here().cell(&row.id),
        ("rate-limit", "usage") => |row, _| LimitUse::here().cell(&row.id),
        ("api-key", "masked") => |row, _| key_state(&row.body),
        (_, "id" | "instance_id" | "model_id" | "key") if thing.id == name || name == "model_id" => match name {
            "id" => |row, _| code(row.body.get("id").and_then(Value::as_str).unwrap_or(&row.id)),
            "instance_id" => |row, _| code(row.body.get("instance_id").and_then(Value::as_str).unwrap_or(&row.id)),
            "model_id" => |row, _| code(row.body.get("model_id").and_then(Value::as_str).unwrap_or_default()),
            _ => |row, _| code(row.body.get("key").and_then(Value::as_str).unwrap_or(&row.id)),
        },
        _ => return None,
    })
}

/// A text that stays on one line.
fn tight(text: String) -> AnyView {
    view! { <span class="whitespace-nowrap">{text}</span> }.into_any()
}

fn code(text: &str) -> AnyView {
    view! { <code class="wrap-anywhere md:whitespace-nowrap">{text.to_owned()}</code> }.into_any()
}

fn none() -> AnyView {
    view! { <span class="text-muted" aria-hidden="true">"–"</span> }.into_any()
}

/// A value as people read it. `links` draws references as links.
pub fn value(kind: FieldKind, name: &str, value: &Value, names: Names, links: bool) -> AnyView {
    match (kind, value) {
        (_, Value::Null) => none(),
        (FieldKind::Flag, Value::Bool(on)) => flag(name, *on),
        (FieldKind::Choice(_), Value::String(text)) => {
            let text = text.clone();
            view! { <Badge tone=tone(&text)>{text}</Badge> }.into_any()
        }
        (FieldKind::Money, value) => value.as_i64().map_or_else(none, |micro| format::money(micro).into_any()),
        (FieldKind::Whole(_), value) => {
            value.as_u64().map(format::count).unwrap_or_else(|| value.to_string()).into_any()
        }
        (FieldKind::Time, Value::String(text)) => match format::parse_utc(text) {
            Some(at_us) => view! { <Time at_us /> }.into_any(),
            None => text.clone().into_any(),
        },
        (FieldKind::Ref(kind), Value::String(id)) => {
            let own = id.clone();
            let name = move || names.of(kind, &own);
            match href(kind, id).filter(|_| links) {
                Some(href) => {
                    view! { <a class="relative z-10 text-link hover:underline" href=href>{name}</a> }.into_any()
                }
                None => name.into_any(),
            }
        }
        (FieldKind::Words, Value::Array(words)) if words.is_empty() => {
            view! { <span class="text-muted">"all"</span> }.into_any()
        }
        (FieldKind::Words, Value::Array(words)) => {
            let badges = words.iter().filter_map(Value::as_str).take(4).map(badge).collect_view();
            let rest = words.len().saturating_sub(4);
            view! { <span class="inline-flex flex-wrap gap-1">{badges} {(rest > 0).then(|| format!("+{rest}"))}</span> }
                .into_any()
        }
        (FieldKind::Json, value) => {
            let text = value.to_string();
            let short: String = text.chars().take(60).collect();
            let more = if short.len() < text.len() { "…" } else { "" };
            view! { <code class="wrap-anywhere text-muted">{short} {more}</code> }.into_any()
        }
        (_, Value::String(text)) if text.is_empty() => none(),
        (FieldKind::Text, Value::String(text)) => view! { <span class="line-clamp-2">{text.clone()}</span> }.into_any(),
        (_, Value::String(text)) => text.clone().into_any(),
        (_, value) => value.to_string().into_any(),
    }
}

fn badge(word: &str) -> impl IntoView + use<> {
    let word = word.to_owned();
    view! { <Badge>{word}</Badge> }
}

fn flag(name: &str, on: bool) -> AnyView {
    match (name, on) {
        ("is_active", true) => view! { <Badge tone=Tone::Good icon=Glyph::Check>"active"</Badge> }.into_any(),
        ("is_active", false) => view! { <Badge icon=Glyph::Stop>"inactive"</Badge> }.into_any(),
        (_, true) => view! { <span class="inline-flex items-center gap-1.5"><Icon glyph=Glyph::Check class="size-4 text-good" />"yes"</span> }.into_any(),
        (_, false) => view! { <span class="text-muted">"no"</span> }.into_any(),
    }
}

fn tone(word: &str) -> Tone {
    match word {
        "active" | "owner" => Tone::Good,
        "beta" | "admin" | "premium" => Tone::Accent,
        "deprecated" | "superadmin" | "high" => Tone::Warn,
        _ => Tone::Neutral,
    }
}

/// What a limit counts, in words: "claude-sonnet-4-5, in production".
pub fn scope_of_limit(body: &Map<String, Value>, names: Names) -> String {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let mut parts = Vec::new();
    match (text("provider"), text("model")) {
        (Some(provider), Some(model)) => parts.push(format!("{} / {model}", names.of("provider", provider))),
        (Some(provider), None) => parts.push(names.of("provider", provider)),
        (None, Some(model)) => parts.push(model.to_owned()),
        (None, None) => parts.push("All calls".to_owned()),
    }
    let place = [
        ("key_id", "api-key", "key"),
        ("project_id", "project", "project"),
        ("instance_id", "instance", "instance"),
        ("org_id", "organization", "organization"),
    ]
    .into_iter()
    .find_map(|(field, kind, word)| Some(format!("{word} {}", names.of(kind, text(field)?))));
    parts.push(place.unwrap_or_else(|| "each instance".to_owned()));
    parts.join(" · ")
}

fn capabilities(value: Option<&Value>) -> AnyView {
    let Some(Value::Object(all)) = value else { return none() };
    let badges = all
        .iter()
        .filter(|(_, on)| on.as_bool() == Some(true))
        .map(|(name, _)| badge(&name.replace('_', " ")))
        .collect_view();
    view! { <span class="inline-flex flex-wrap gap-1">{badges}</span> }.into_any()
}

/// The price of a model in one line: `$2.50 / $10.00` for a million tokens in and out, `$0.04 per image`.
pub fn pricing(value: Option<&Value>) -> String {
    let Some(Value::Object(prices)) = value else { return "–".to_owned() };
    let number = |name: &str| prices.get(name).and_then(Value::as_f64);
    let million = |name: &str, per_1k: &str| number(name).or_else(|| number(per_1k).map(|price| price * 1000.0));
    let input = million("input", "input_cost_per_1k");
    let output = million("output", "output_cost_per_1k");
    match (input, output) {
        (Some(input), Some(output)) => format!("{} / {}", format::price(input), format::price(output)),
        (Some(input), None) => format::price(input),
        _ => ["per_image", "per_second", "per_character", "per_request"]
            .into_iter()
            .find_map(|name| Some(format!("{} {}", format::price(number(name)?), name.replace('_', " "))))
            .unwrap_or_else(|| "–".to_owned()),
    }
}

fn rates(value: Option<&Value>) -> String {
    let number = |name: &str| value.and_then(|value| value.get(name)).and_then(Value::as_u64);
    match (number("rpm"), number("tpm")) {
        (Some(rpm), Some(tpm)) => format!("{} rpm, {} tpm", format::compact(rpm), format::compact(tpm)),
        (Some(rpm), None) => format!("{} rpm", format::compact(rpm)),
        (None, Some(tpm)) => format!("{} tpm", format::compact(tpm)),
        _ => "–".to_owned(),
    }
}

/// The limits per provider of an instance.
fn instance_limits(body: &Map<String, Value>) -> AnyView {
    let limits = body.get("config").and_then(|config| config.get("rate_limits")).and_then(Value::as_object);
    let Some(limits) = limits.filter(|limits| !limits.is_empty()) else { return none() };
    let lines = limits
        .iter()
        .map(|(provider, limit)| view! { <span class="block text-sm"><span class="text-muted">{provider.clone()}</span> " " {rates(Some(limit))}</span> })
        .collect_view();
    view! { <span class="block">{lines}</span> }.into_any()
}

fn key_state(body: &Map<String, Value>) -> AnyView {
    let masked = body.get("masked").and_then(Value::as_str).unwrap_or_default().to_owned();
    let revoked = body.get("revoked_at").is_some_and(|at| !at.is_null());
    view! {
        <span class="inline-flex flex-wrap items-center gap-2">
            <code>{masked}</code>
            {revoked.then(|| view! { <Badge tone=Tone::Bad icon=Glyph::CrossCircle>"revoked"</Badge> })}
        </span>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn prices_and_rates_read_like_a_price_list() {
        assert_eq!(pricing(Some(&json!({ "input": 2.5, "output_cost_per_1k": 0.01 }))), "$2.50 / $10.00");
        assert_eq!(pricing(Some(&json!({ "per_image": 0.04 }))), "$0.04 per image");
        assert_eq!(pricing(None), "–");
        assert_eq!(rates(Some(&json!({ "rpm": 500, "tpm": 30_000 }))), "500 rpm, 30k tpm");
    }
}
