//! What the console holds: the conversation, the shared settings, and up to four lanes that answer it.
//!
//! The conversation is one list of messages. Every open lane answers the whole list; the newest answers stand in the
//! lanes, not in the list. When the conversation goes on, the answer of the chosen lane joins the list.

use leptos::prelude::*;

use super::{
    lane::{self, Lane},
    params::{Inputs, Params},
    request::{ChatRequest, Message, NotReady, Restored, Role},
    run,
    saved::{Saved, SavedLane},
};
use crate::types::{ModelCard, RunDetail};

/// Most models side by side.
pub const LANES: usize = 4;

/// A message in the list; the number tells it from others when they move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: u32,
    pub message: Message,
}

/// Something to know about what is shown, above the conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A recorded call is shown whose words were not kept.
    NoContents,
    /// It had parts that the console cannot hold.
    Partial,
}

#[derive(Debug, Clone, Copy)]
pub struct Console {
    pub models: StoredValue<Vec<ModelCard>>,
    /// Id of the instance that the calls belong to.
    pub instance: StoredValue<Option<String>>,
    pub system: RwSignal<String>,
    pub messages: RwSignal<Vec<Entry>>,
    /// Key of the message that is being edited.
    pub editing: RwSignal<Option<u32>>,
    /// What is being written.
    pub composer: RwSignal<String>,
    pub params: Inputs,
    /// Answers arrive whole instead of as they are written.
    pub buffered: RwSignal<bool>,
    lanes: StoredValue<[Lane; LANES]>,
    /// Numbers of the lanes that are shown; never empty.
    pub open: RwSignal<Vec<usize>>,
    /// The lane whose answer the conversation goes on from.
    pub chosen: RwSignal<usize>,
    pub notice: RwSignal<Option<Notice>>,
    /// Why nothing was sent, and by which lane.
    pub complaint: RwSignal<Option<(usize, NotReady)>>,
    /// What screen readers are told.
    pub announcement: RwSignal<String>,
    next_key: StoredValue<u32>,
}

impl Console {
    pub fn new(models: Vec<ModelCard>, instance: Option<String>) -> Self {
        Self {
            models: StoredValue::new(models),
            instance: StoredValue::new(instance),
            system: RwSignal::default(),
            messages: RwSignal::default(),
            editing: RwSignal::default(),
            composer: RwSignal::default(),
            params: Inputs::new(),
            buffered: RwSignal::default(),
            lanes: StoredValue::new(std::array::from_fn(Lane::new)),
            open: RwSignal::new(vec![0]),
            chosen: RwSignal::new(0),
            notice: RwSignal::default(),
            complaint: RwSignal::default(),
            announcement: RwSignal::default(),
            next_key: StoredValue::new(0),
        }
    }

    pub fn lane(self, place: usize) -> Lane {
        self.lanes.with_value(|lanes| lanes[place.min(LANES - 1)])
    }

    pub fn open_lanes(self) -> Vec<Lane> {
        self.open.with(|open| open.iter().map(|place| self.lane(*place)).collect())
    }

    /// The lane that the conversation goes on from.
    pub fn chosen_lane(self) -> Lane {
        let place = self.chosen.get();
        self.open.with(|open| self.lane(if open.contains(&place) { place } else { open.first().copied().unwrap_or(0) }))
    }

    pub fn comparing(self) -> bool {
        self.open.with(|open| open.len() > 1)
    }

    pub fn is_running(self) -> bool {
        self.open_lanes().into_iter().any(Lane::is_running)
    }

    /// The catalogue entry of a lane's model.
    pub fn card(self, lane: Lane) -> Option<ModelCard> {
        self.models.with_value(|models| lane.card(models).cloned())
    }

    /// The name to show for a model.
    pub fn model_name(self, model: &str) -> String {
        self.models.with_value(|models| {
            lane::find(models, model).map_or_else(|| model.to_owned(), |card| card.display_name.clone())
        })
    }

    /// What a lane would send now: the list, and what is being written as its next message.
    pub fn request(self, lane: Lane) -> Result<ChatRequest, NotReady> {
        self.request_for(lane, &self.with_composer())
    }

    /// The same for a snippet, which shows an example where nothing was written.
    pub fn request_or_example(self, lane: Lane) -> Result<ChatRequest, NotReady> {
        match self.request(lane) {
            Err(NotReady::NoMessage) => self.request_for(lane, &[Message::user("Hello!")]),
            Err(NotReady::NothingToAnswer) => {
                let mut messages = self.with_composer();
                messages.push(Message::user("Go on."));
                self.request_for(lane, &messages)
            }
            other => other,
        }
    }

    fn request_for(self, lane: Lane, messages: &[Message]) -> Result<ChatRequest, NotReady> {
        let params = self.params.get().with(&lane.params.get());
        let stream = !self.buffered.get();
        self.models.with_value(|models| {
            let card = lane.card(models);
            let model = lane.model.get();
            self.system.with(|system| ChatRequest::new(&model, card, system, messages, &params, stream))
        })
    }

    fn with_composer(self) -> Vec<Message> {
        let mut messages: Vec<_> =
            self.messages.with(|entries| entries.iter().map(|entry| entry.message.clone()).collect());
        let written = self.composer.get();
        if !written.trim().is_empty() {
            let lane = self.chosen_lane();
            if lane.has_text() {
                messages.push(Message::assistant(lane.said.with(|said| said.text.clone())));
            }
            messages.push(Message::user(written.trim()));
        }
        messages
    }

    /// Sends what is written, or the list as it stands, to all open lanes.
    pub fn send(self) {
        if untrack(|| self.is_running()) {
            return;
        }
        let lanes = untrack(|| self.open_lanes());
        let messages = untrack(|| self.with_composer());
        let mut requests = Vec::new();
        for lane in lanes {
            match untrack(|| self.request_for(lane, &messages)) {
                Ok(request) => requests.push((lane, request)),
                Err(why) => return self.complaint.set(Some((lane.place, why))),
            }
        }
        self.complaint.set(None);
        self.notice.set(None);
        self.editing.set(None);
        if self.messages.with_untracked(|entries| entries.len()) != messages.len() {
            self.show_messages(messages);
        }
        self.composer.set(String::new());
        for (lane, request) in requests {
            run::start(self, lane, request);
        }
    }

    /// Lets one lane answer the list again.
    pub fn regenerate(self, lane: Lane) {
        let messages: Vec<_> =
            self.messages.with_untracked(|entries| entries.iter().map(|entry| entry.message.clone()).collect());
        match untrack(|| self.request_for(lane, &messages)) {
            Ok(request) => {
                self.complaint.set(None);
                run::start(self, lane, request);
            }
            Err(why) => self.complaint.set(Some((lane.place, why))),
        }
    }

    pub fn stop(self) {
        for lane in untrack(|| self.open_lanes()) {
            lane.stop();
        }
    }

    /// The answer of the chosen lane joins the list; the others are left to the history.
    pub fn keep_answer(self) {
        let lane = untrack(|| self.chosen_lane());
        if untrack(|| lane.has_text()) {
            self.push(Message::assistant(lane.said.with_untracked(|said| said.text.clone())));
        }
        self.clear_answers();
    }

    pub fn clear_answers(self) {
        self.lanes.get_value().into_iter().for_each(Lane::clear);
    }

    /// Adds an empty message at the end and opens it.
    pub fn add(self, role: Role) {
        if untrack(|| self.chosen_lane().has_text()) {
            self.keep_answer();
        }
        let key = self.push(Message { role, text: String::new() });
        self.editing.set(Some(key));
    }

    /// The chosen answer joins the list and is opened for changing.
    pub fn edit_answer(self) {
        self.keep_answer();
        self.editing.set(self.messages.with_untracked(|entries| entries.last().map(|entry| entry.key)));
    }

    pub fn change(self, key: u32, text: String) {
        self.messages.update(|entries| {
            if let Some(entry) = entries.iter_mut().find(|entry| entry.key == key) {
                entry.message.text = text;
            }
        });
    }

    pub fn swap_role(self, key: u32) {
        self.messages.update(|entries| {
            if let Some(entry) = entries.iter_mut().find(|entry| entry.key == key) {
                entry.message.role = entry.message.role.other();
            }
        });
    }

    pub fn remove(self, key: u32) {
        self.messages.update(|entries| entries.retain(|entry| entry.key != key));
    }

    /// Moves a message up (-1) or down (1).
    pub fn shift(self, key: u32, by: isize) {
        self.messages.update(|entries| {
            let from = entries.iter().position(|entry| entry.key == key);
            if let Some((from, to)) = from.and_then(|from| Some((from, from.checked_add_signed(by)?)))
                && to < entries.len()
            {
                entries.swap(from, to);
            }
        });
    }

    /// Opens one more lane, with the model of the last one until another is chosen.
    pub fn add_lane(self) {
        let open = self.open.get_untracked();
        if let Some(free) = (0..LANES).find(|place| !open.contains(place)) {
            let lane = self.lane(free);
            lane.clear();
            lane.params.show(&Params::default());
            lane.model.set(open.last().map(|last| self.lane(*last).model.get_untracked()).unwrap_or_default());
            self.open.update(|open| open.push(free));
        }
    }

    /// Closes a lane; one always stays.
    pub fn close_lane(self, place: usize) {
        if self.open.with_untracked(|open| open.len() > 1) {
            self.lane(place).clear();
            self.open.update(|open| open.retain(|known| *known != place));
        }
    }

    /// Opens a lane for each of these models, in this order.
    pub fn show_models(self, models: &[String]) {
        if models.is_empty() {
            return;
        }
        self.open.set((0..models.len().min(LANES)).collect());
        for (place, model) in models.iter().enumerate().take(LANES) {
            self.lane(place).model.set(model.clone());
        }
    }

    /// Back to an empty conversation; models and settings stay.
    pub fn start_over(self) {
        self.clear_answers();
        self.show_messages(Vec::new());
        self.composer.set(String::new());
        self.editing.set(None);
        self.notice.set(None);
        self.complaint.set(None);
    }

    /// Shows a recorded call: what was asked, what was answered, and with what settings.
    pub fn show_run(self, run: &RunDetail) {
        let restored = run.request_body.as_deref().and_then(Restored::from_body);
        self.clear_answers();
        self.open.set(vec![0]);
        self.chosen.set(0);
        self.editing.set(None);
        self.complaint.set(None);
        self.notice.set(match &restored {
            None => Some(Notice::NoContents),
            Some(restored) if restored.partial => Some(Notice::Partial),
            Some(_) => None,
        });
        let restored = restored.unwrap_or_default();
        self.system.set(restored.system);
        self.show_messages(restored.messages);
        self.params.show(&restored.params);
        self.buffered.set(!run.summary.streamed);
        let lane = self.lane(0);
        lane.params.show(&Params::default());
        lane.show_run(run, if restored.model.is_empty() { &run.summary.model_asked } else { &restored.model });
    }

    /// Shows a draft of an earlier visit.
    pub fn show_saved(self, saved: Saved) {
        self.clear_answers();
        self.system.set(saved.system);
        self.show_messages(saved.messages);
        self.composer.set(saved.composer);
        self.params.show(&saved.params);
        self.buffered.set(saved.buffered);
        self.notice.set(None);
        self.open.set((0..saved.lanes.len()).collect());
        self.chosen.set(saved.chosen as usize);
        for (place, kept) in saved.lanes.into_iter().enumerate() {
            let lane = self.lane(place);
            lane.model.set(kept.model);
            lane.params.show(&kept.params);
            if let Some(answer) = kept.answer {
                lane.show_kept(answer);
            }
        }
    }

    /// The draft as it stands; follows everything it holds, but an answer only when it is finished.
    pub fn to_saved(self) -> Saved {
        let open = self.open.get();
        let chosen = self.chosen.get();
        Saved {
            system: self.system.get(),
            messages: self.messages.with(|entries| entries.iter().map(|entry| entry.message.clone()).collect()),
            composer: self.composer.get(),
            params: self.params.get(),
            buffered: self.buffered.get(),
            chosen: open.iter().position(|place| *place == chosen).unwrap_or(0) as u32,
            lanes: self
                .open_lanes()
                .into_iter()
                .map(|lane| SavedLane { model: lane.model.get(), params: lane.params.get(), answer: lane.keep() })
                .collect(),
        }
    }

    pub fn show_messages(self, messages: Vec<Message>) {
        let entries = messages.into_iter().map(|message| Entry { key: self.new_key(), message }).collect();
        self.messages.set(entries);
    }

    fn push(self, message: Message) -> u32 {
        let key = self.new_key();
        self.messages.update(|entries| entries.push(Entry { key, message }));
        key
    }

    fn new_key(self) -> u32 {
        let key = self.next_key.get_value();
        self.next_key.set_value(key.wrapping_add(1));
        key
    }
}
