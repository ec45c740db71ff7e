//! How far limits are used: a bar in each row of their list, and all numbers on a limit's page.

use std::{collections::HashMap, time::Duration};

use leptos::{prelude::*, task::spawn_local};

use crate::{
    api,
    types::{
        CapState, LimitState,
        config::{FieldKind, LIMIT, ThingRow},
    },
    ui::kit::{Card, Clock, Meter, Tone, format},
};

/// How often the page of a limit looks anew.
const LOOK: Duration = Duration::from_secs(5);
/// Beyond this share a bar warns, where the limit itself does not say.
const WARN: f64 = 0.8;

/// How far limits are used, as far as it was asked for.
#[derive(Clone, Copy)]
pub struct LimitUse(RwSignal<HashMap<String, LimitState>>);

impl LimitUse {
    pub fn provide() -> Self {
        let uses = Self(RwSignal::new(HashMap::new()));
        provide_context(uses);
        uses
    }

    pub fn here() -> Self {
        use_context().unwrap_or_else(Self::provide)
    }

    /// Asks for the limits that are not known yet; browser only.
    pub fn ask(self, rows: &[ThingRow]) {
        let unknown = |row: &&ThingRow| self.0.with_untracked(|uses| !uses.contains_key(&row.id));
        self.look(rows.iter().filter(unknown).take(100).map(|row| row.id.clone()).collect());
    }

    /// Asks again. Without an answer the bars stay as they are; nothing else depends on them.
    fn look(self, ids: Vec<String>) {
        if ids.is_empty() {
            return;
        }
        spawn_local(async move {
            if let Ok(states) = api::states_of_limits(ids).await {
                let states = states.into_iter().map(|state| (state.limit_id.clone(), state));
                let _ = self.0.try_update(|known| known.extend(states));
            }
        });
    }

    fn of(self, id: &str) -> Option<LimitState> {
        self.0.with(|uses| uses.get(id).cloned())
    }

    /// The cell of a limit: the number that is used most.
    pub fn cell(self, id: &str) -> AnyView {
        let id = id.to_owned();
        let draw = move || {
            let state = self.of(&id)?;
            let Some(cap) = state.caps.iter().max_by(|a, b| share(a).total_cmp(&share(b))).cloned() else {
                return Some(view! { <span class="text-muted">"counts nothing"</span> }.into_any());
            };
            let tone = tone(&cap, state.warned);
            let text = format!("{}: {}", label(&cap), amount(&cap));
            Some(
                view! {
                    <span class="flex min-w-28 flex-col gap-1">
                        <span class="text-sm whitespace-nowrap">{amount(&cap)}</span>
                        <Meter label="Used" share=Signal::stored(share(&cap)) text=Signal::stored(text) tone />
                        <span class="text-xs whitespace-nowrap text-muted">{label(&cap)}</span>
                    </span>
                }
                .into_any(),
            )
        };
        draw.into_any()
    }
}

fn share(cap: &CapState) -> f64 {
    let held = cap.used + cap.reserved;
    if cap.limit <= 0 { 1.0 } else { held as f64 / cap.limit as f64 }
}

fn tone(cap: &CapState, warned: bool) -> Tone {
    let is_budget = kind(cap) == Some(FieldKind::Money);
    match share(cap) {
        share if share >= 1.0 => Tone::Bad,
        share if share >= WARN || (warned && is_budget) => Tone::Warn,
        _ => Tone::Good,
    }
}

fn kind(cap: &CapState) -> Option<FieldKind> {
    LIMIT.field(&cap.name).map(|field| field.kind)
}

fn label(cap: &CapState) -> &'static str {
    LIMIT.field(&cap.name).map_or("Used", |field| field.label)
}

/// "12 of 60".
fn amount(cap: &CapState) -> String {
    let write = |number: i64| match kind(cap) {
        Some(FieldKind::Money) => format::money(number),
        _ => format::count(number.max(0).unsigned_abs()),
    };
    format!("{} of {}", write(cap.used + cap.reserved), write(cap.limit))
}

/// What a number says beyond its bar: what is held for running calls, and when it is free again.
fn note(cap: &CapState, now_us: Option<i64>) -> String {
    let reserved = (cap.reserved > 0).then(|| match kind(cap) {
        Some(FieldKind::Money) => format!("{} reserved", format::money(cap.reserved)),
        _ => format!("{} reserved", format::count(cap.reserved.unsigned_abs())),
    });
    let resets = cap.resets_us.filter(|_| cap.used > 0).zip(now_us);
    let resets = resets.map(|(at_us, now_us)| format!("free again in {}", format::span((at_us - now_us).max(0))));
    reserved.into_iter().chain(resets).collect::<Vec<_>>().join(" · ")
}

/// All numbers of a limit, looked at again and again while the page is visible.
#[component]
pub fn UseCard(row: RwSignal<ThingRow>) -> impl IntoView {
    let uses = LimitUse::here();
    let clock = use_context::<Clock>();
    let look = move || {
        if !document().hidden()
            && let Some(id) = row.try_with_untracked(|row| row.id.clone())
        {
            uses.look(vec![id]);
        }
    };
    Effect::new(move |_| {
        // Also after a change of the limit.
        row.track();
        look();
        if let Ok(timer) = set_interval_with_handle(look, LOOK) {
            on_cleanup(move || timer.clear());
        }
    });
    let state = Memo::new(move |_| row.with(|row| uses.of(&row.id)));
    let bar = move |cap: CapState, warned: bool| {
        let tone = tone(&cap, warned);
        let text = format!("{}: {}", label(&cap), amount(&cap));
        let (share, amount, label) = (share(&cap), amount(&cap), label(&cap));
        view! {
            <li class="flex flex-col gap-1">
                <span class="flex flex-wrap items-baseline justify-between gap-x-3">
                    <span class="text-sm text-muted">{label}</span>
                    <span class="font-medium tabular-nums">{amount}</span>
                </span>
                <Meter label=label share=Signal::stored(share) text=Signal::stored(text) tone />
                <span class="text-xs text-muted empty:hidden">
                    {move || note(&cap, clock.and_then(|clock| clock.0.get()))}
                </span>
            </li>
        }
    };
    view! {
        <Card title="Used now" lead="By all servers together.">
            {move || match state.get() {
                None => view! { <p class="text-muted">"Looking…"</p> }.into_any(),
                Some(state) if state.caps.is_empty() => {
                    view! { <p class="text-muted">"It has no number yet, or is not active, so it counts nothing."</p> }.into_any()
                }
                Some(state) => {
                    let bars = state.caps.into_iter().map(|cap| bar(cap, state.warned)).collect_view();
                    view! { <ul class="flex flex-col gap-3">{bars}</ul> }.into_any()
                }
            }}
        </Card>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cap(name: &str, used: i64, reserved: i64, limit: i64) -> CapState {
        CapState {
            name: name.to_owned(),
            limit,
            used,
            reserved,
            left: limit - used - reserved,
            resets_us: Some(61_000_000),
        }
    }

    #[test]
    fn numbers_are_said_in_their_unit() {
        assert_eq!(amount(&cap("requests_per_minute", 10, 2, 1_000)), "12 of 1,000");
        assert_eq!(amount(&cap("budget_day_micro_usd", 2_500_000, 0, 5_000_000)), "$2.50 of $5.00");
        assert_eq!(label(&cap("tokens_per_day", 0, 0, 1)), "Tokens per day");
        assert_eq!(note(&cap("tokens_per_minute", 5, 7, 100), Some(1_000_000)), "7 reserved · free again in 1 min");
        assert_eq!(note(&cap("concurrent_requests", 0, 0, 100), Some(1_000_000)), "");
    }

    #[test]
    fn a_bar_warns_before_it_is_full() {
        let of = |used, warned| tone(&cap("budget_month_micro_usd", used, 0, 100), warned);
        assert_eq!(
            [of(10, false), of(10, true), of(80, false), of(100, false)],
            [Tone::Good, Tone::Warn, Tone::Warn, Tone::Bad]
        );
        assert_eq!(tone(&cap("tokens_per_day", 0, 0, 0), false), Tone::Bad);
    }
}
