//! What the rules would do with a request, without doing it.

use app::types::config::{RoutingChoice, RoutingDraft, RoutingPreview, RoutingReason};

use super::{ConfigError, Configuration};
use crate::services::{
    classify::{self, Ask, TaskType},
    identity::{Caller, Deed, Place, may},
};

impl Configuration {
    /// Classifies and routes a request as a real one would be; between rules of the same rank the likeliest is taken.
    pub fn try_routing(&self, who: &Caller, draft: &RoutingDraft) -> Result<RoutingPreview, ConfigError> {
        may(who, Deed::Read, Place::Platform)?;
        if draft.query.trim().is_empty() {
            return Err(ConfigError::Missing(vec!["query"]));
        }
        let said =
            |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let explicit = match said(&draft.task_type) {
            Some(name) => Some(TaskType::parse(&name).ok_or_else(|| {
                let message = format!("Invalid task_type. Must be one of: {}", TaskType::names());
                ConfigError::field("task_type", message)
            })?),
            None => None,
        };
        let snapshot = self.catalog.snapshot();
        let found = classify::classify(&snapshot.rules, &draft.query, explicit);
        let (provider, model) = (said(&draft.provider), said(&draft.model));
        let ask =
            Ask { provider: provider.as_deref(), model: model.as_deref(), ..Ask::new(found.task_type, found.subtask) };
        let (provider, model, alternatives, why) = match classify::route(&snapshot, who, &ask, 0.0) {
            Ok(route) => (Some(route.provider), Some(route.model), route.alternatives, route.why),
            Err(error) => {
                // What the caller names is kept, also where it leads nowhere.
                (provider, model, Vec::new(), error.to_string())
            }
        };
        let alternatives = alternatives.into_iter();
        let reasons = found.why.into_iter();
        Ok(RoutingPreview {
            task_type: found.task_type.as_str().to_owned(),
            subtask: found.subtask.map(str::to_owned),
            confidence: found.confidence,
            reasons: reasons
                .map(|reason| RoutingReason {
                    task_type: reason.task_type.as_str().to_owned(),
                    points: reason.points,
                    rule: reason.rule,
                    text: reason.text,
                })
                .collect(),
            provider,
            model,
            alternatives: alternatives
                .map(|choice| RoutingChoice { provider: choice.provider, model: choice.model })
                .collect(),
            why,
        })
    }
}
