//! The draft that survives a reload: kept in this browser only.

use serde::{Deserialize, Serialize};

use super::{lane::Kept, params::Params, request::Message};

/// Everything a person has put together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    pub system: String,
    pub messages: Vec<Message>,
    pub composer: String,
    pub params: Params,
    pub buffered: bool,
    pub lanes: Vec<SavedLane>,
    /// Index into `lanes` of the answer that the conversation goes on from.
    pub chosen: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedLane {
    pub model: String,
    pub params: Params,
    pub answer: Option<Kept>,
}

impl Saved {
    /// Reads what an earlier visit left; anything else is nothing.
    pub fn read(stored: &str) -> Option<Self> {
        let saved: Self = serde_json::from_str(stored).ok()?;
        (!saved.lanes.is_empty() && saved.lanes.len() <= super::state::LANES).then_some(saved)
    }

    pub fn write(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }

    /// Whether one of its answers is that of this call.
    pub fn has_run(&self, request_id: &str) -> bool {
        self.lanes
            .iter()
            .filter_map(|lane| lane.answer.as_ref()?.facts.request_id.as_deref())
            .any(|known| known == request_id)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{facts::Facts, lane::Ending, params::Param},
        *,
    };

    #[test]
    fn a_draft_comes_back_as_it_was() {
        let mut params = Params::default();
        params.set(Param::Temperature, "0.3");
        let facts = Facts { request_id: Some("r-1".into()), ..Facts::default() };
        let answer = Kept { text: "Hi".into(), thinking: String::new(), facts, ending: Ending::Stopped };
        let saved = Saved {
            system: "S".into(),
            messages: vec![Message::user("a"), Message::assistant("b")],
            params,
            lanes: vec![SavedLane { model: "m".into(), answer: Some(answer), ..SavedLane::default() }],
            ..Saved::default()
        };
        assert_eq!(Saved::read(&saved.write().unwrap()), Some(saved.clone()));
        assert!(saved.has_run("r-1") && !saved.has_run("r-2"));
    }

    #[test]
    fn leftovers_of_another_kind_are_ignored() {
        for stored in ["", "null", "[]", "{}", r#"{"lanes": 3}"#, r#"{"lanes": [{},{},{},{},{}]}"#] {
            assert_eq!(Saved::read(stored), None, "{stored}");
        }
        assert!(Saved::read(r#"{"lanes": [{}], "later": 1}"#).is_some());
    }
}
