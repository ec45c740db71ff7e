//! What changed, field by field.

use leptos::prelude::*;
use serde_json::Value;

/// The fields that differ between `before` and `after` of an object.
#[component]
pub fn Differences(
    details: Value,
    #[prop(default = "Before")] before: &'static str,
    #[prop(default = "After")] after: &'static str,
    /// What stands where nothing differs.
    #[prop(default = "")]
    none: &'static str,
) -> impl IntoView {
    let changes = differences(&details);
    if changes.is_empty() {
        return view! { <p class="text-muted empty:hidden">{none}</p> }.into_any();
    }
    view! {
        <div class="flex flex-col gap-2">
            {changes
                .into_iter()
                .map(|(field, old, new)| {
                    view! {
                        <div class="overflow-hidden rounded-md border border-line">
                            <p class="border-b border-line bg-sunken px-3 py-1 text-sm font-medium">{field}</p>
                            <div class="grid sm:grid-cols-2">
                                <Side sign="−" word=before text=old tone="bg-bad-soft" />
                                <Side sign="+" word=after text=new tone="bg-good-soft" />
                            </div>
                        </div>
                    }
                })
                .collect_view()}
        </div>
    }
    .into_any()
}

#[component]
fn Side(sign: &'static str, word: &'static str, text: Option<String>, tone: &'static str) -> impl IntoView {
    let class = if text.is_some() { format!("min-w-0 p-2 {tone}") } else { "min-w-0 p-2".to_owned() };
    view! {
        <div class=class>
            <p class="text-xs text-muted"><span aria-hidden="true">{sign} " "</span> {word}</p>
            <pre class="whitespace-pre-wrap wrap-anywhere">{text.unwrap_or_else(|| "–".to_owned())}</pre>
        </div>
    }
}

/// The fields of `{"before", "after"}` that differ, with both values.
fn differences(details: &Value) -> Vec<(String, Option<String>, Option<String>)> {
    let side = |name: &str| details.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    let (before, after) = (side("before"), side("after"));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let text = |value: Option<&Value>| match value {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => Some(serde_json::to_string_pretty(other).unwrap_or_default()),
    };
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| (name.clone(), text(before.get(name)), text(after.get(name))))
        .filter(|(_, before, after)| before.is_some() || after.is_some())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_changed_is_shown() {
        let details = json!({ "before": { "name": "a", "x": 1, "same": true }, "after": { "name": "b", "same": true, "y": null } });
        assert_eq!(
            differences(&details),
            [
                ("name".to_owned(), Some("a".to_owned()), Some("b".to_owned())),
                ("x".to_owned(), Some("1".to_owned()), None)
            ]
        );
        assert!(differences(&json!({ "why": "x" })).is_empty());
    }
}
