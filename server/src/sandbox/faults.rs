//! Faults on demand: their grammar, and how a request asks for them.
//!
//! A spec is a comma-joined list. It comes in the header `x-sim-fault`, after `sim-fault-` in a model name, or after
//! an `@` at the end of one. `docs/simulator.md` lists every fault with an example.

use std::time::Duration;

/// Statuses a fault may name.
const STATUSES: &[u16] = &[400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529];
/// Most callbacks of one job.
const MOST_CALLBACKS: u32 = 10;
/// Silence of `slow`.
const SLOW: Duration = Duration::from_secs(2);

/// What happens at one point inside an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// The answer ends properly at HTTP level, without its end marker.
    Cut,
    /// The connection is dropped in the middle of the body.
    Drop,
    /// Nothing more comes; the connection stays open.
    Stall,
    /// One piece of invalid JSON, then the answer goes on.
    Malformed,
    /// The provider's in-stream error, then the end.
    Error,
}

/// What a request asked to go wrong. The default is an answer without faults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// The specs as they were written, for the record of calls.
    pub(crate) spec: String,
    /// Answer with this status and, on 429 and 503, this many seconds to wait.
    pub(crate) status: Option<(u16, Option<u32>)>,
    pub(crate) quota: bool,
    pub(crate) html: bool,
    pub(crate) reset: bool,
    /// Fail this many times before the first success.
    pub(crate) flaky: Option<u32>,
    /// Polls that find a submitted job unfinished.
    pub(crate) pending: Option<u32>,
    /// A submitted job ends after this time, whoever asks.
    pub(crate) takes: Option<Duration>,
    pub(crate) endless: bool,
    /// The job is accepted and the answer to the submission is this status; 0 cuts the connection instead.
    pub(crate) lost: Option<u16>,
    /// Idempotency keys are ignored.
    pub(crate) forgetful: bool,
    /// The first polls of a job get this status.
    pub(crate) poll: Option<u16>,
    /// Lookups that would find the job get this status.
    pub(crate) lookup: Option<u16>,
    /// The job cannot be found any more once it has ended.
    pub(crate) gone: bool,
    /// How often the end of a job is told.
    pub(crate) callbacks: Option<u32>,
    /// Time between the end of a job and its callback.
    pub(crate) late: Option<Duration>,
    pub(crate) silence: Option<Duration>,
    /// Send the response head at once, before any silence.
    pub(crate) early_head: bool,
    /// Break the answer after this many tokens.
    pub(crate) broken: Option<(Break, u32)>,
    pub(crate) wrong_usage: bool,
    pub(crate) no_usage: bool,
    pub(crate) dup_usage: bool,
    pub(crate) split: bool,
    pub(crate) crlf: bool,
    pub(crate) comments: bool,
    pub(crate) empty_choices: bool,
    pub(crate) safety: bool,
}

impl Faults {
    /// Reads a comma-joined spec; `Err` carries the part that is no fault.
    pub(crate) fn parse(spec: &str) -> Result<Self, String> {
        let mut faults = Self { spec: spec.trim().to_owned(), ..Self::default() };
        for part in spec.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            faults.add(part).ok_or_else(|| part.to_owned())?;
        }
        Ok(faults)
    }

    /// Whether the connection breaks before the request has any effect.
    pub(crate) fn cuts_before(&self) -> bool {
        self.reset || self.html
    }

    /// Splits a model name into the model meant and the faults it carries. A suffix that is no valid spec belongs to the
    /// name (`claude-sonnet-4@20250514`).
    pub(crate) fn of_model(model: &str) -> (String, Self) {
        let marked = model.split_once("sim-fault-").or_else(|| model.rsplit_once('@'));
        if let Some((name, spec)) = marked
            && !spec.trim().is_empty()
            && let Ok(faults) = Self::parse(spec)
        {
            let name = name.trim_end_matches(['-', '/', ':', '@']);
            return (if name.is_empty() { "simulated-model".to_owned() } else { name.to_owned() }, faults);
        }
        (model.to_owned(), Self::default())
    }

    /// Both lists together; where both say something, the other one wins.
    pub(crate) fn and(self, other: Self) -> Self {
        let spec = match (self.spec.is_empty(), other.spec.is_empty()) {
            (_, true) => self.spec,
            (true, false) => other.spec,
            (false, false) => format!("{},{}", self.spec, other.spec),
        };
        Self {
            spec,
            status: other.status.or(self.status),
            quota: self.quota || other.quota,
            html: self.html || other.html,
            reset: self.reset || other.reset,
            flaky: other.flaky.or(self.flaky),
            pending: other.pending.or(self.pending),
            takes: other.takes.or(self.takes),
            endless: self.endless || other.endless,
            lost: other.lost.or(self.lost),
            forgetful: self.forgetful || other.forgetful,
            poll: other.poll.or(self.poll),
            lookup: other.lookup.or(self.lookup),
            gone: self.gone || other.gone,
            callbacks: other.callbacks.or(self.callbacks),
            late: other.late.or(self.late),
            silence: other.silence.or(self.silence),
            early_head: self.early_head || other.early_head,
            broken: other.broken.or(self.broken),
            wrong_usage: self.wrong_usage || other.wrong_usage,
            no_usage: self.no_usage || other.no_usage,
            dup_usage: self.dup_usage || other.dup_usage,
            split: self.split || other.split,
            crlf: self.crlf || other.crlf,
            comments: self.comments || other.comments,
            empty_choices: self.empty_choices || other.empty_choices,
            safety: self.safety || other.safety,
        }
    }

    fn add(&mut self, part: &str) -> Option<()> {
        let (name, argument) = name_and_argument(part);
        if let Ok(status) = name.parse::<u16>() {
            if !STATUSES.contains(&status) {
                return None;
            }
            self.status = Some((status, argument));
            return Some(());
        }
        let after = argument.unwrap_or(0);
        match name {
            "cut" => self.broken = Some((Break::Cut, after)),
            "drop" => self.broken = Some((Break::Drop, after)),
            "stall" => self.broken = Some((Break::Stall, after)),
            "malformed" => self.broken = Some((Break::Malformed, after)),
            "error" => self.broken = Some((Break::Error, after)),
            "silent" => self.silence = Some(Duration::from_millis(u64::from(argument?))),
            "pending" => self.pending = Some(argument?),
            "takes" => self.takes = Some(Duration::from_millis(u64::from(argument?))),
            "late" => self.late = Some(Duration::from_millis(u64::from(argument?))),
            "callbacks" => self.callbacks = Some(argument.filter(|times| *times <= MOST_CALLBACKS)?),
            "lost" => self.lost = Some(argument.map_or(Some(0), status)?),
            "poll" => self.poll = Some(status(argument?)?),
            "lookup" => self.lookup = Some(status(argument?)?),
            "flaky" => self.flaky = Some(argument.unwrap_or(1)),
            _ if argument.is_some() => return None,
            "slow" => self.silence = Some(SLOW),
            "endless" => self.endless = true,
            "forgetful" => self.forgetful = true,
            "gone" => self.gone = true,
            "early-head" => self.early_head = true,
            "quota" => self.quota = true,
            "html" => self.html = true,
            "reset" => self.reset = true,
            "wrong-usage" => self.wrong_usage = true,
            "no-usage" => self.no_usage = true,
            "dup-usage" => self.dup_usage = true,
            "split" => self.split = true,
            "crlf" => self.crlf = true,
            "comments" => self.comments = true,
            "empty-choices" => self.empty_choices = true,
            "safety" => self.safety = true,
            _ => return None,
        }
        Some(())
    }
}

/// A status that a fault may name.
fn status(number: u32) -> Option<u16> {
    u16::try_from(number).ok().filter(|status| STATUSES.contains(status))
}

/// `cut:5`, `cut=5` and `cut-5` say the same: some places allow no colon in a model name.
fn name_and_argument(part: &str) -> (&str, Option<u32>) {
    part.split_once([':', '='])
        .or_else(|| part.rsplit_once('-'))
        .and_then(|(name, argument)| Some((name, Some(argument.parse().ok()?))))
        .unwrap_or((part, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_join() {
        let faults = Faults::parse("429:2, split,cut:7").unwrap();
        assert_eq!(faults.status, Some((429, Some(2))));
        assert!(faults.split);
        assert_eq!(faults.broken, Some((Break::Cut, 7)));
    }

    #[test]
    fn every_way_to_write_an_argument() {
        for spec in ["stall:5", "stall=5", "stall-5"] {
            assert_eq!(Faults::parse(spec).unwrap().broken, Some((Break::Stall, 5)), "{spec}");
        }
        assert!(Faults::parse("no-usage").unwrap().no_usage);
    }

    #[test]
    fn unknown_parts_are_named() {
        assert_eq!(Faults::parse("split,burn").unwrap_err(), "burn");
        assert_eq!(Faults::parse("418").unwrap_err(), "418");
        assert_eq!(Faults::parse("silent").unwrap_err(), "silent");
        assert_eq!(Faults::parse("cut:x").unwrap_err(), "cut:x");
    }

    #[test]
    fn models_carry_faults() {
        let read = |model| {
            let (name, faults) = Faults::of_model(model);
            (name, faults.spec)
        };
        assert_eq!(read("gpt-4o-mini@429:2"), ("gpt-4o-mini".into(), "429:2".into()));
        assert_eq!(read("sim-fault-cut:5"), ("simulated-model".into(), "cut:5".into()));
        assert_eq!(read("gpt-5-sim-fault-500"), ("gpt-5".into(), "500".into()));
        assert_eq!(read("claude-sonnet-4@20250514"), ("claude-sonnet-4@20250514".into(), String::new()));
        assert_eq!(read("gpt-4o"), ("gpt-4o".into(), String::new()));
    }

    #[test]
    fn header_wins_over_model() {
        let both = Faults::parse("429:2,crlf").unwrap().and(Faults::parse("503").unwrap());
        assert_eq!(both.status, Some((503, None)));
        assert!(both.crlf);
        assert_eq!(both.spec, "429:2,crlf,503");
    }
}
