//! Which provider and model do a piece of work.

use super::TaskType;
use crate::{
    services::{
        catalog::{Model, Snapshot},
        gateway::{GatewayError, resolve},
        identity::Caller,
    },
    store::rules::RoutingRuleRow,
};

/// The model of a provider of which nothing else is known.
const DEFAULT_MODEL: &str = "default";

/// A row of `provider_routing_rules`.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteRule {
    pub task_type: String,
    pub subtask: Option<String>,
    pub provider: String,
    pub model: String,
    pub weight: u32,
    pub cost_tier: Option<String>,
    pub quality_tier: Option<String>,
    pub is_default: bool,
}

impl From<RoutingRuleRow> for RouteRule {
    fn from(row: RoutingRuleRow) -> Self {
        Self {
            task_type: row.task_type,
            subtask: row.subtask.filter(|subtask| !subtask.is_empty()),
            provider: row.provider,
            model: row.model,
            weight: row.weight.clamp(0, u32::MAX.into()).try_into().unwrap_or(u32::MAX),
            cost_tier: row.cost_tier,
            quality_tier: row.quality_tier,
            is_default: row.is_default,
        }
    }
}

/// What is to be routed. What the caller names is kept.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    pub task_type: TaskType,
    pub subtask: Option<&'a str>,
    pub provider: Option<&'a str>,
    pub model: Option<&'a str>,
    /// `low`, `medium` or `high`, preferred where there is one.
    pub cost_tier: Option<&'a str>,
    /// `standard` or `premium`, preferred where there is one.
    pub quality_tier: Option<&'a str>,
}

impl<'a> Ask<'a> {
    /// Work about which nothing is said but what it is.
    pub fn new(task_type: TaskType, subtask: Option<&'a str>) -> Self {
        Self { task_type, subtask, provider: None, model: None, cost_tier: None, quality_tier: None }
    }
}

/// Who does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// As the rule or the caller names it.
    pub provider: String,
    pub model: String,
    /// A sentence.
    pub why: String,
    /// Others that may do it when this one cannot, best first.
    pub alternatives: Vec<Choice>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub provider: String,
    pub model: String,
}

/// Why there is no route.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NoRoute {
    #[error("no active routing rule says who does {0}")]
    NoRule(TaskType),
    /// The named model is known to nobody.
    #[error(transparent)]
    Model(#[from] GatewayError),
}

/// Finds who does it. `fraction` in 0..1 is the dice between rules that fit equally well; 0 takes the likeliest.
pub fn route(snapshot: &Snapshot, caller: &Caller, ask: &Ask<'_>, fraction: f64) -> Result<Route, NoRoute> {
    let rows = &snapshot.rules.routes;
    match (ask.provider, ask.model) {
        (Some(provider), Some(model)) => Ok(Route {
            provider: provider.to_owned(),
            model: model.to_owned(),
            why: "The caller names provider and model.".to_owned(),
            alternatives: Vec::new(),
        }),
        (Some(provider), None) => Ok(of_provider(snapshot, caller, ask, provider)),
        (None, Some(model)) => of_model(snapshot, caller, ask, model),
        (None, None) => by_rules(rows, ask, fraction).ok_or(NoRoute::NoRule(ask.task_type)),
    }
}

/// The best rule of the provider for this work, else a model of its own.
fn of_provider(snapshot: &Snapshot, caller: &Caller, ask: &Ask<'_>, name: &str) -> Route {
    let known = snapshot.provider(name).map_or(name, |provider| &provider.id);
    let same = |row: &&RouteRule| snapshot.provider(&row.provider).map_or(&*row.provider, |p| &p.id) == known;
    let ranked: Vec<&RouteRule> = ranked(&snapshot.rules.routes, ask).into_iter().filter(same).collect();
    if let [first, rest @ ..] = &ranked[..] {
        let why = format!("The caller names the provider, and {} is its best rule for this.", words(first));
        let mut route = routed(first, why, rest);
        name.clone_into(&mut route.provider);
        return route;
    }
    let mut models: Vec<&Model> = snapshot.models.values().map(|model| &**model).collect();
    models.retain(|model| {
        *model.provider.id == *known
            && model.status == "active"
            && model.can(ask.task_type.capability())
            && caller.sees(model)
    });
    // The newest; of those that came together, the first by name.
    models.sort_by(|a, b| b.created_us.cmp(&a.created_us).then_with(|| a.id.cmp(&b.id)));
    let default = snapshot.provider(known).and_then(|provider| provider.default_model.clone());
    let (model, why) = match (default, models.first()) {
        (Some(model), _) => (model, "The caller names the provider, and this is its default model."),
        (None, Some(model)) => (model.id.clone(), "The caller names the provider; no rule but a model of it fits."),
        (None, None) => (DEFAULT_MODEL.to_owned(), "The caller names the provider, of which no model is known."),
    };
    Route { provider: name.to_owned(), model, why: why.to_owned(), alternatives: Vec::new() }
}

/// The provider that a rule names for the model, else the one that has it.
fn of_model(snapshot: &Snapshot, caller: &Caller, ask: &Ask<'_>, name: &str) -> Result<Route, NoRoute> {
    let ranked: Vec<&RouteRule> =
        ranked(&snapshot.rules.routes, ask).into_iter().filter(|row| row.model == name).collect();
    if let [first, rest @ ..] = &ranked[..] {
        return Ok(routed(first, format!("The caller names the model, which a rule has at {}.", first.provider), rest));
    }
    let found = resolve::model(snapshot, name, caller)?;
    Ok(Route {
        provider: found.provider.id.to_string(),
        model: name.to_owned(),
        why: format!("The caller names the model, which is {}'s.", found.provider.id),
        alternatives: Vec::new(),
    })
}

fn by_rules(rows: &[RouteRule], ask: &Ask<'_>, fraction: f64) -> Option<Route> {
    let ranked = ranked(rows, ask);
    let first = *ranked.first()?;
    // Those that fit as well as the first; the dice is thrown among them.
    let level = rank(first, ask);
    let equal: Vec<&RouteRule> = ranked.iter().copied().take_while(|row| rank(row, ask) == level).collect();
    let chosen = choose(&equal, fraction)?;
    let mut why = match (&chosen.subtask, chosen.is_default) {
        (Some(subtask), _) => format!("{} is the rule of {}:{subtask}", words(chosen), ask.task_type),
        (None, true) => format!("{} is a default rule of {}", words(chosen), ask.task_type),
        (None, false) => format!("{} is a rule of {}, which has no better one", words(chosen), ask.task_type),
    };
    let total: u64 = equal.iter().map(|row| u64::from(row.weight)).sum();
    if equal.len() > 1 && total > 0 {
        let share = f64::from(chosen.weight) / total as f64 * 100.0;
        why.push_str(&format!(", taken by weight among {} ({share:.0} %)", equal.len()));
    }
    if let Some(tiers) = tiers(ask) {
        why.push_str(if fits(chosen, ask) { "; it has " } else { "; no rule has " });
        why.push_str(&tiers);
    }
    why.push('.');
    let rest: Vec<&RouteRule> = ranked.into_iter().filter(|row| !std::ptr::eq(*row, chosen)).collect();
    Some(routed(chosen, why, &rest))
}

/// The rules of the type, best first: those of the wished tiers, those of the subtask, defaults, the others, each by
/// weight. Rules of other subtasks fit only if they are defaults, or have the wished tiers.
fn ranked<'a>(rows: &'a [RouteRule], ask: &Ask<'_>) -> Vec<&'a RouteRule> {
    let mut fitting: Vec<&RouteRule> = rows
        .iter()
        .filter(|row| row.task_type == ask.task_type.as_str())
        .filter(|row| {
            let is_wished = tiers(ask).is_some() && fits(row, ask);
            row.subtask.is_none() || row.subtask.as_deref() == ask.subtask || row.is_default || is_wished
        })
        .collect();
    fitting.sort_by(|a, b| {
        let by_name = || (&a.provider, &a.model).cmp(&(&b.provider, &b.model));
        rank(a, ask).cmp(&rank(b, ask)).then(b.weight.cmp(&a.weight)).then_with(by_name)
    });
    fitting
}

/// Smaller is better.
fn rank(row: &RouteRule, ask: &Ask<'_>) -> (bool, u8) {
    let of_subtask = row.subtask.is_some() && row.subtask.as_deref() == ask.subtask;
    let place = match (of_subtask, row.is_default, row.subtask.is_none()) {
        (true, ..) => 0,
        (_, true, true) => 1,
        (_, true, false) => 2,
        _ => 3,
    };
    (!fits(row, ask), place)
}

/// Whether a rule has the wished tiers; it has, if none are wished.
fn fits(row: &RouteRule, ask: &Ask<'_>) -> bool {
    let same = |wish: Option<&str>, own: &Option<String>| wish.is_none() || wish == own.as_deref();
    same(ask.cost_tier, &row.cost_tier) && same(ask.quality_tier, &row.quality_tier)
}

fn tiers(ask: &Ask<'_>) -> Option<String> {
    let cost = ask.cost_tier.map(|tier| format!("{tier} cost"));
    let quality = ask.quality_tier.map(|tier| format!("{tier} quality"));
    let all: Vec<String> = cost.into_iter().chain(quality).collect();
    (!all.is_empty()).then(|| all.join(" and "))
}

/// One of them at random by weight.
fn choose<'a>(rows: &[&'a RouteRule], fraction: f64) -> Option<&'a RouteRule> {
    let total: u64 = rows.iter().map(|row| u64::from(row.weight)).sum();
    let mut left = fraction * total as f64;
    let chosen = rows.iter().find(|row| {
        left -= f64::from(row.weight);
        left < 0.0
    });
    chosen.or(rows.first()).copied()
}

fn routed(first: &RouteRule, why: String, rest: &[&RouteRule]) -> Route {
    let mut alternatives: Vec<Choice> = Vec::new();
    for row in rest {
        let choice = Choice { provider: row.provider.clone(), model: row.model.clone() };
        let is_first = (&first.provider, &first.model) == (&row.provider, &row.model);
        if !is_first && !alternatives.contains(&choice) {
            alternatives.push(choice);
        }
    }
    Route { provider: first.provider.clone(), model: first.model.clone(), why, alternatives }
}

fn words(row: &RouteRule) -> String {
    format!("{}/{}", row.provider, row.model)
}
