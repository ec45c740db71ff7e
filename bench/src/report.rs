//! Medians over the rounds, and the table made of them.

use std::fmt::Write;

use crate::load::{Outcome, Phase};

/// The loads of one round, in this order.
pub const PHASES: [Phase; 5] = [
    Phase { connections: 1, stream: false },
    Phase { connections: 16, stream: false },
    Phase { connections: 64, stream: false },
    Phase { connections: 1, stream: true },
    Phase { connections: 16, stream: true },
];
/// Position of each target in the results.
const DIRECT: usize = 0;
const NGINX: usize = 1;
const ELECTRONS: usize = 2;

/// One number of an outcome.
type Measure = fn(&Outcome) -> f64;

/// All rounds of all phases of the three targets.
#[derive(Debug, Default)]
pub struct Results {
    rounds: [[Vec<Outcome>; PHASES.len()]; 3],
}

impl Results {
    pub fn add(&mut self, target: usize, phase: usize, outcome: Outcome) {
        self.rounds[target][phase].push(outcome);
    }

    pub fn errors(&self) -> u64 {
        self.rounds.iter().flatten().flatten().map(|outcome| outcome.errors).sum()
    }

    fn median(&self, target: usize, phase: usize, of: Measure) -> f64 {
        median(self.rounds[target][phase].iter().map(of).collect())
    }

    /// Median of the differences to the bare upstream in the same round.
    fn added(&self, target: usize, phase: usize, of: Measure) -> f64 {
        let pairs = self.rounds[target][phase].iter().zip(&self.rounds[DIRECT][phase]);
        median(pairs.map(|(own, direct)| of(own) - of(direct)).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// The table as Markdown: the upstream called directly, what nginx and the product make of it, and the target.
pub fn table(results: &Results, idle_kib: &[u64], peak_kib: &[u64], facts: &[(&str, &str)]) -> String {
    let mut out = String::from("| what | direct | nginx | electrons | target |\n|---|---|---|---|---|\n");
    let mut row = |cells: [String; 5]| {
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    };
    let latencies: [(&str, usize, Measure, &str); 5] = [
        ("buffered call, 1 connection: p50", 0, |o| o.p50, "+0.12 ms"),
        ("buffered call, 1 connection: p99", 0, |o| o.p99, "+0.5 ms"),
        ("first token of a stream, 1 connection: p50", 3, |o| o.first_token_p50, "+0.12 ms"),
        ("first token of a stream, 1 connection: p99", 3, |o| o.first_token_p99, ""),
        ("whole stream, 1 connection: p50", 3, |o| o.p50, ""),
    ];
    for (name, phase, of, target) in latencies {
        let added =
            |which| format!("{:.3} ms ({:+.3})", results.median(which, phase, of), results.added(which, phase, of));
        row([
            name.into(),
            format!("{:.3} ms", results.median(DIRECT, phase, of)),
            added(NGINX),
            added(ELECTRONS),
            target.into(),
        ]);
    }
    for (phase, load) in PHASES.iter().enumerate().filter(|(_, load)| load.connections > 1) {
        let rate = |which| results.median(which, phase, |outcome| outcome.per_second);
        let direct = rate(DIRECT);
        let share = |which| format!("{:.0}/s ({:.2})", rate(which), rate(which) / direct.max(1.0));
        let target = if load.connections == 64 { "≥ 0.5 × nginx" } else { "" };
        row([
            format!("{} at {} connections", if load.stream { "streams" } else { "buffered calls" }, load.connections),
            format!("{direct:.0}/s"),
            share(NGINX),
            format!("{}, {:.2} × nginx", share(ELECTRONS), rate(ELECTRONS) / rate(NGINX).max(1.0)),
            target.into(),
        ]);
    }
    for (name, phase, target) in
        [("CPU per buffered call (64 connections)", 2, "0.05 ms"), ("CPU per stream (16 connections)", 4, "0.15 ms")]
    {
        let cpu = |which| format!("{:.3} ms", results.median(which, phase, |outcome| outcome.cpu_per_call));
        row([name.into(), "".into(), cpu(NGINX), cpu(ELECTRONS), target.into()]);
    }
    for (name, kib, target) in
        [("resident memory, idle", idle_kib, "40 MB"), ("resident memory, highest", peak_kib, "80 MB")]
    {
        let megabytes = |which: usize| format!("{:.0} MB", kib[which] as f64 * 1024.0 / 1e6);
        row([name.into(), "".into(), megabytes(NGINX), megabytes(ELECTRONS), target.into()]);
    }
    for (name, value) in facts {
        let (value, target) = value.split_once('|').unwrap_or((value, ""));
        row([(*name).into(), "".into(), "".into(), value.into(), target.into()]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(p50: f64) -> Outcome {
        Outcome { p50, per_second: 1000.0 / p50, ..Outcome::default() }
    }

    #[test]
    fn added_time_is_paired_by_round() {
        let mut results = Results::default();
        // The machine got slower from round to round; the difference stayed the same.
        for (direct, own) in [(1.0, 1.5), (2.0, 2.5), (9.0, 9.5)] {
            results.add(DIRECT, 0, outcome(direct));
            results.add(ELECTRONS, 0, outcome(own));
        }
        assert!((results.added(ELECTRONS, 0, |o| o.p50) - 0.5).abs() < 1e-9);
        assert!((results.median(ELECTRONS, 0, |o| o.p50) - 2.5).abs() < 1e-9);
    }

    #[test]
    fn the_table_shows_facts_and_targets() {
        let table = table(&Results::default(), &[0, 0, 40_000], &[0; 3], &[("binary", "20 MB|30 MB"), ("css", "1 KB")]);
        assert!(table.contains("| binary |  |  | 20 MB | 30 MB |"), "{table}");
        assert!(table.contains("| css |  |  | 1 KB |  |"), "{table}");
        assert!(table.contains("| resident memory, idle |  | 0 MB | 41 MB | 40 MB |"), "{table}");
    }
}
