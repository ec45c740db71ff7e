//! One place for an answer: a model, what it is to do differently from the others, and its answer as it comes in.

use leptos::{leptos_dom::helpers::IntervalHandle, prelude::*};
use serde::{Deserialize, Serialize};

use super::{super::markdown, facts::Facts, params::Inputs};
use crate::{
    types::{ModelCard, RunDetail},
    ui::live::{
        chat::{Heard, ToolCall},
        clock::now_ms,
        failure::ApiError,
        fetch::Call,
    },
};

/// How far an answer is.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Phase {
    /// Nothing was asked.
    #[default]
    Idle,
    /// Asked; nothing has arrived.
    Waiting,
    /// Words arrive.
    Streaming,
    Done,
    /// By the person at the screen.
    Stopped,
    /// The connection ended before the answer did.
    Cut,
    Failed(ApiError),
}

impl Phase {
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Waiting | Self::Streaming)
    }
}

/// The exchange as it went over the wire.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Raw {
    pub request: String,
    pub response: String,
    /// The status line and the headers of the answer.
    pub head: String,
}

/// What the model said, in pieces that can be shown while they grow.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    pub text: String,
    pub thinking: String,
    pub refusal: String,
    pub tool_calls: Vec<ToolCall>,
    /// Ends of the blocks of `text` that are finished.
    pub closed: Vec<usize>,
}

impl Said {
    /// Follows what was heard; `text` and `thinking` only ever grow.
    pub fn follow(&mut self, heard: &Heard) {
        append(&mut self.text, &heard.text);
        append(&mut self.thinking, &heard.thinking);
        append(&mut self.refusal, &heard.refusal);
        self.tool_calls.clone_from(&heard.tool_calls);
        let from = self.closed.last().copied().unwrap_or_default();
        self.closed.extend(markdown::closed_blocks(&self.text, from));
    }
}

fn append(to: &mut String, all: &str) {
    if let Some(new) = all.get(to.len()..) {
        to.push_str(new);
    }
}

/// An answer that survives a reload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    pub text: String,
    pub thinking: String,
    pub facts: Facts,
    pub ending: Ending,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    Done,
    Stopped,
    Cut,
    Failed(ApiError),
}

/// Longest answer that is kept in the browser, in bytes; a longer one is still in the history.
const KEEP_AT_MOST: usize = 300_000;

#[derive(Debug, Clone, Copy)]
pub struct Lane {
    /// Its number, from 0.
    pub place: usize,
    pub model: RwSignal<String>,
    /// What this lane does differently from the shared parameters.
    pub params: Inputs,
    pub phase: RwSignal<Phase>,
    pub said: RwSignal<Said>,
    pub facts: RwSignal<Facts>,
    pub raw: RwSignal<Raw>,
    /// Microseconds since it was asked, while it runs.
    pub elapsed: RwSignal<f64>,
    /// The call that is under way, and the one whose answer is shown.
    call: StoredValue<Option<Call>>,
    shown: StoredValue<Option<Call>>,
    ticker: StoredValue<Option<IntervalHandle>>,
}

impl Lane {
    pub fn new(place: usize) -> Self {
        let lane = Self {
            place,
            model: RwSignal::default(),
            params: Inputs::new(),
            phase: RwSignal::default(),
            said: RwSignal::default(),
            facts: RwSignal::default(),
            raw: RwSignal::default(),
            elapsed: RwSignal::default(),
            call: StoredValue::new(None),
            shown: StoredValue::new(None),
            ticker: StoredValue::new(None),
        };
        // A page that is left cancels its calls.
        on_cleanup(move || {
            lane.stop_ticking();
            lane.stop();
        });
        lane
    }

    /// A: the first lane, and so on.
    pub fn letter(self) -> char {
        ['A', 'B', 'C', 'D'].get(self.place).copied().unwrap_or('?')
    }

    /// The catalogue entry of its model, by id or alias.
    pub fn card(self, models: &[ModelCard]) -> Option<&ModelCard> {
        self.model.with(|model| find(models, model))
    }

    pub fn is_running(self) -> bool {
        self.phase.with(Phase::is_running)
    }

    /// Whether there is something to read.
    pub fn has_text(self) -> bool {
        self.said.with(|said| !said.text.is_empty())
    }

    /// Everything back to before it was asked; a running call ends.
    pub fn clear(self) {
        self.stop();
        self.stop_ticking();
        self.call.set_value(None);
        self.shown.set_value(None);
        self.phase.set(Phase::Idle);
        self.said.set(Said::default());
        self.facts.set(Facts::default());
        self.raw.set(Raw::default());
    }

    /// A new call begins.
    pub fn begin(self, call: Call, request: String) {
        self.clear();
        self.call.set_value(Some(call));
        self.shown.set_value(Some(call));
        self.raw.set(Raw { request, ..Raw::default() });
        self.phase.set(Phase::Waiting);
        self.elapsed.set(0.0);
        let started = now_ms();
        let tick = move || {
            let _ = self.elapsed.try_set((now_ms() - started) * 1e3);
        };
        let ticker = set_interval_with_handle(tick, std::time::Duration::from_millis(100)).ok();
        self.ticker.set_value(ticker);
    }

    /// Whether the answer on the screen is that of this call.
    pub fn shows(self, call: Call) -> bool {
        self.shown.try_get_value().flatten() == Some(call)
    }

    /// Whether this is still the call whose answer belongs here: a new one may have begun, or the page may be gone.
    pub fn expects(self, call: Call) -> bool {
        self.call.try_get_value().flatten() == Some(call)
    }

    /// The call is over. Only what is still there is told.
    pub fn finish(self, phase: Phase) {
        self.stop_ticking();
        let _ = self.call.try_set_value(None);
        let _ = self.phase.try_set(phase);
    }

    /// Ends a running call; what has arrived stays.
    pub fn stop(self) {
        if let Some(call) = self.call.try_get_value().flatten() {
            call.abort();
        }
    }

    fn stop_ticking(self) {
        if let Some(ticker) = self.ticker.try_get_value().flatten() {
            ticker.clear();
            let _ = self.ticker.try_set_value(None);
        }
    }

    /// Shows a recorded call.
    pub fn show_run(self, run: &RunDetail, model: &str) {
        self.clear();
        self.model.set(model.to_owned());
        self.facts.set(Facts::from_run(run));
        let heard = run.response_body.as_deref().and_then(Heard::from_stored);
        let mut said = Said::default();
        if let Some(heard) = &heard {
            said.follow(heard);
        }
        self.said.set(said);
        self.show_exchange(run);
        self.phase.set(phase_of(run, heard.as_ref()));
    }

    /// The exchange of a recorded call, where this browser does not have it.
    pub fn show_exchange(self, run: &RunDetail) {
        let _ = self.raw.try_update(|raw| {
            raw.request = run.request_body.clone().unwrap_or_default();
            raw.response = run.response_body.clone().unwrap_or_default();
        });
    }

    /// What to keep in the browser of a finished answer.
    pub fn keep(self) -> Option<Kept> {
        let ending = self.phase.with(|phase| match phase {
            Phase::Done => Some(Ending::Done),
            Phase::Stopped => Some(Ending::Stopped),
            Phase::Cut => Some(Ending::Cut),
            Phase::Failed(error) => Some(Ending::Failed(error.clone())),
            Phase::Idle | Phase::Waiting | Phase::Streaming => None,
        })?;
        let facts = self.facts.get();
        self.said.with_untracked(|said| {
            (said.text.len() + said.thinking.len() <= KEEP_AT_MOST).then(|| Kept {
                text: said.text.clone(),
                thinking: said.thinking.clone(),
                facts,
                ending,
            })
        })
    }

    /// Shows what was kept.
    pub fn show_kept(self, kept: Kept) {
        self.clear();
        let heard = Heard { text: kept.text, thinking: kept.thinking, ..Heard::default() };
        let mut said = Said::default();
        said.follow(&heard);
        self.said.set(said);
        self.facts.set(kept.facts);
        self.phase.set(match kept.ending {
            Ending::Done => Phase::Done,
            Ending::Stopped => Phase::Stopped,
            Ending::Cut => Phase::Cut,
            Ending::Failed(error) => Phase::Failed(error),
        });
    }
}

fn phase_of(run: &RunDetail, heard: Option<&Heard>) -> Phase {
    let summary = &run.summary;
    match summary.status.as_str() {
        "completed" => Phase::Done,
        "cancelled" => Phase::Stopped,
        _ => Phase::Failed(heard.and_then(|heard| heard.error.clone()).unwrap_or_else(|| ApiError {
            status: summary.http_status,
            message: summary.error_message.clone().unwrap_or_else(|| "The call failed.".to_owned()),
            source: summary.error_source.clone(),
            request_id: Some(summary.request_id.clone()),
            ..ApiError::default()
        })),
    }
}

/// The catalogue entry of a name: an id, or an alias.
pub fn find<'a>(models: &'a [ModelCard], name: &str) -> Option<&'a ModelCard> {
    models
        .iter()
        .find(|model| model.id == name)
        .or_else(|| models.iter().find(|model| model.aliases.iter().any(|alias| alias == name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_follows_what_was_heard() {
        let mut said = Said::default();
        let mut heard = Heard::default();
        for piece in ["one\n\nt", "wo\n", "\nthree\n"] {
            heard.text.push_str(piece);
            said.follow(&heard);
        }
        assert_eq!(said.text, heard.text);
        assert_eq!(said.closed.iter().map(|end| &said.text[..*end]).collect::<Vec<_>>(), ["one\n\n", "one\n\ntwo\n\n"]);
        let before = said.clone();
        said.follow(&heard);
        assert_eq!(said, before);
    }
}
