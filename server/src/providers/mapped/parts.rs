//! The parts of a mapping about work that goes on after the answer: asking for it, finding it again, stopping it, and being
//! told of its end.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{
    MappingProblem,
    mapping::{Call, list, object, optional, optional_path, outputs, path},
    path::Path,
};
use crate::providers::wire;

/// Wait between two polls, unless the mapping names another, in milliseconds; and its bounds.
const INTERVAL: u64 = 2_000;
const INTERVALS: std::ops::RangeInclusive<u64> = 100..=60_000;

type Result<T> = std::result::Result<T, MappingProblem>;

/// How to ask for a job.
#[derive(Debug)]
pub struct Poll<'a> {
    pub call: Call<'a>,
    /// Where the answer to the submission names the job.
    pub job_id: Path<'a>,
    pub ending: Ending<'a>,
    pub wait: Duration,
}

/// How to find the job of a submission whose answer never came.
#[derive(Debug)]
pub struct Lookup<'a> {
    pub call: Call<'a>,
    pub job_id: Path<'a>,
    /// Whether 404 says that there is no such job, rather than that the address is wrong.
    pub none_on_404: bool,
}

/// How to stop a job.
#[derive(Debug)]
pub struct Cancel<'a> {
    pub call: Call<'a>,
}

/// How to read the provider's own message about a job.
#[derive(Debug)]
pub struct Callback<'a> {
    pub job_id: Path<'a>,
    pub ending: Ending<'a>,
}

/// How a message about a job tells whether it has ended.
#[derive(Debug, Clone)]
pub struct Ending<'a> {
    status: Path<'a>,
    done: &'a [Value],
    failed: &'a [Value],
    error: Option<Path<'a>>,
    progress: Option<Path<'a>>,
    response: &'a Map<String, Value>,
}

/// What a message about a job says.
#[derive(Debug)]
pub enum Verdict {
    /// It goes on; how far it is in percent, if told.
    Running {
        progress: Option<f64>,
    },
    /// The mapped values that are there.
    Done(Map<String, Value>),
    Failed(String),
}

impl<'a> Poll<'a> {
    pub fn read(
        map: &'a Map<String, Value>,
        headers: &'a Map<String, Value>,
        response: &'a Map<String, Value>,
    ) -> Result<Self> {
        const PART: &str = "poll";
        let interval = match map.get("interval_ms") {
            None | Some(Value::Null) => INTERVAL,
            Some(value) => value.as_u64().filter(|ms| INTERVALS.contains(ms)).ok_or_else(|| MappingProblem {
                path: "poll.interval_ms".to_owned(),
                message: format!("must be a number from {} to {}", INTERVALS.start(), INTERVALS.end()),
            })?,
        };
        Ok(Self {
            call: Call::of_part(map, PART, "GET", headers)?,
            job_id: path(map, PART, "job_id")?,
            ending: Ending {
                status: path(map, PART, "status")?,
                done: list(map, PART, "done")?,
                failed: optional(map, "failed", || list(map, PART, "failed"))?.unwrap_or(&[]),
                error: optional_path(map, PART, "error")?,
                progress: optional_path(map, PART, "progress")?,
                response: optional(map, "response_mapping", || object(map, PART, "response_mapping"))?
                    .unwrap_or(response),
            },
            wait: Duration::from_millis(interval),
        })
    }
}

impl<'a> Lookup<'a> {
    pub fn read(map: &'a Map<String, Value>, headers: &'a Map<String, Value>) -> Result<Self> {
        const PART: &str = "lookup";
        let none_on_404 = match map.get("none_on_404") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(is)) => *is,
            Some(_) => {
                let message = "must be true or false".to_owned();
                return Err(MappingProblem { path: "lookup.none_on_404".to_owned(), message });
            }
        };
        Ok(Self { call: Call::of_part(map, PART, "GET", headers)?, job_id: path(map, PART, "job_id")?, none_on_404 })
    }
}

impl<'a> Cancel<'a> {
    pub fn read(map: &'a Map<String, Value>, headers: &'a Map<String, Value>) -> Result<Self> {
        Ok(Self { call: Call::of_part(map, "cancel", "POST", headers)? })
    }
}

impl<'a> Callback<'a> {
    /// What is left out is as in the answer to a poll.
    pub fn read(map: &'a Map<String, Value>, poll: &Poll<'a>) -> Result<Self> {
        const PART: &str = "callback";
        let usual = &poll.ending;
        Ok(Self {
            job_id: optional_path(map, PART, "job_id")?.unwrap_or_else(|| poll.job_id.clone()),
            ending: Ending {
                status: optional_path(map, PART, "status")?.unwrap_or_else(|| usual.status.clone()),
                done: optional(map, "done", || list(map, PART, "done"))?.unwrap_or(usual.done),
                failed: optional(map, "failed", || list(map, PART, "failed"))?.unwrap_or(usual.failed),
                error: optional_path(map, PART, "error")?.or_else(|| usual.error.clone()),
                progress: optional_path(map, PART, "progress")?.or_else(|| usual.progress.clone()),
                response: optional(map, "response_mapping", || object(map, PART, "response_mapping"))?
                    .unwrap_or(usual.response),
            },
        })
    }
}

impl Ending<'_> {
    /// A status that is neither among the good nor among the bad ends means that the work goes on.
    pub fn verdict(&self, answer: &Value) -> Verdict {
        let running =
            || Verdict::Running { progress: self.progress.as_ref().and_then(|path| percent(path.find(answer)?)) };
        let Some(status) = self.status.find(answer) else { return running() };
        if self.failed.iter().any(|word| same(word, status)) {
            let reason = self.error.as_ref().and_then(|path| wire::text_of(path.find(answer)?));
            return Verdict::Failed(reason.unwrap_or_else(|| "the provider reports that the work failed".to_owned()));
        }
        if !self.done.iter().any(|word| same(word, status)) {
            return running();
        }
        match outputs(self.response, answer) {
            Ok(values) => Verdict::Done(values),
            Err(error) => Verdict::Failed(error.message),
        }
    }
}

/// A number, or a text like `40%`.
fn percent(value: &Value) -> Option<f64> {
    let number = match value {
        Value::String(text) => text.trim().trim_end_matches('%').trim_end().parse().ok()?,
        value => value.as_f64()?,
    };
    number.is_finite().then(|| number.clamp(0.0, 100.0))
}

/// `true` and `"true"`, `1` and `"1"` are the same status; case does not matter.
fn same(word: &Value, status: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::Bool(on) => Some(on.to_string()),
        value => wire::text_of(value).map(|text| text.to_ascii_lowercase()),
    };
    word == status || text(word).is_some() && text(word) == text(status)
}
