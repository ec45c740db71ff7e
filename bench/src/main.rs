//! The load generator of `make bench`. `scripts/bench.sh` starts what is measured and calls:
//!
//! * `bench compare OPTIONS`: loads the bare upstream, nginx and the product in turns and prints the table;
//! * `bench cold-start URL KEY -- COMMAND…`: starts the command several times and prints the median of the milliseconds
//!   until its first answered chat call;
//! * `bench router DATABASE FOLDER JOBS WAITING`: measures the request router on an empty database and prints its table.

mod http;
mod load;
mod process;
mod report;
mod router;

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use load::{Phase, Target};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let tasks = tokio::task::LocalSet::new();
    let done = tasks.block_on(&runtime, async {
        match arguments.split_first() {
            Some((command, rest)) if command == "compare" => compare(rest).await,
            Some((command, rest)) if command == "cold-start" => cold_start(rest).await,
            Some((command, rest)) if command == "router" => router_table(rest),
            _ => Err("usage: bench router DATABASE FOLDER JOBS WAITING | bench compare OPTIONS | bench cold-start URL KEY -- COMMAND…".into()),
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &Failure) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "bench: {error}");
    ExitCode::FAILURE
}

const USAGE: &str = "options of compare, each with a value:
  --direct URL  --nginx URL  --electrons URL     where chats are posted
  --nginx-pid PID  --electrons-pid PID           whose CPU time and memory count
  --key KEY                                      of the product
  --rounds N  --seconds N                        how often, and how long each load lasts
  --fact NAME=VALUE                              further lines of the table, measured elsewhere (repeatable)";

/// `http://127.0.0.1:80/path` as an address and a path.
fn place(url: &str) -> Result<(SocketAddr, String), Failure> {
    let rest = url.strip_prefix("http://").ok_or_else(|| format!("not an http:// address: {url}"))?;
    let (address, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Ok((address.parse()?, path.to_owned()))
}

async fn compare(arguments: &[String]) -> Result<(), Failure> {
    let mut options: HashMap<&str, &str> = HashMap::new();
    let mut facts = Vec::new();
    for pair in arguments.chunks(2) {
        let [name, value] = pair else { return Err(USAGE.into()) };
        match name.strip_prefix("--").ok_or(USAGE)? {
            "fact" => facts.push(value.split_once('=').ok_or(USAGE)?),
            name => drop(options.insert(name, value)),
        }
    }
    let option = |name: &str| options.get(name).copied().ok_or_else(|| format!("--{name} is missing\n{USAGE}"));
    let target = |name: &str, key: &str| -> Result<Target, Failure> {
        let (address, path) = place(option(name)?)?;
        let pid = options.get(format!("{name}-pid").as_str()).map(|pid| pid.parse()).transpose()?;
        Ok(Target { name: name.to_owned(), address, path, key: key.to_owned(), pid })
    };
    let targets = [target("direct", "sk-none")?, target("nginx", "sk-none")?, target("electrons", option("key")?)?];
    let rounds: usize = option("rounds")?.parse()?;
    let seconds = Duration::from_secs_f64(option("seconds")?.parse()?);

    let expected = [load::expected(&targets[0], false).await?, load::expected(&targets[0], true).await?];
    let memory = |target: &Target| target.pid.map_or((0, 0), process::memory_kib);
    let idle: Vec<u64> = targets.iter().map(|target| memory(target).0).collect();
    let mut results = report::Results::default();
    for round in 0..rounds {
        for (number, phase) in report::PHASES.iter().enumerate() {
            for turn in 0..targets.len() {
                // Each round in another order: whoever comes first on a cool machine is not always the same.
                let which = (turn + round) % targets.len();
                let target = &targets[which];
                let outcome = load::run(target, *phase, seconds, &expected[usize::from(phase.stream)]).await?;
                progress(round, target, *phase, &outcome);
                results.add(which, number, outcome);
            }
        }
    }
    let peak: Vec<u64> = targets.iter().map(|target| memory(target).1).collect();
    let mut out = std::io::stdout();
    write!(out, "{}", report::table(&results, &idle, &peak, &facts))?;
    match results.errors() {
        0 => Ok(()),
        errors => Err(format!("{errors} calls failed or were answered wrongly").into()),
    }
}

fn progress(round: usize, target: &Target, phase: Phase, outcome: &load::Outcome) {
    let _ = writeln!(
        std::io::stderr(),
        "    round {} {:>9} {:>2} connections {} {:>8.0}/s  p50 {:.3} ms  p99 {:.3} ms  {} errors",
        round + 1,
        target.name,
        phase.connections,
        if phase.stream { "streams" } else { "calls  " },
        outcome.per_second,
        outcome.p50,
        outcome.p99,
        outcome.errors,
    );
    if let Some(complaint) = &outcome.complaint {
        let _ = writeln!(std::io::stderr(), "    the first error: {complaint}");
    }
}

fn router_table(arguments: &[String]) -> Result<(), Failure> {
    let [url, folder, jobs, waiting] = arguments else {
        return Err("usage: bench router DATABASE FOLDER JOBS WAITING".into());
    };
    // It has a runtime of its own, on threads of its own.
    let (url, folder) = (url.clone(), std::path::PathBuf::from(folder));
    let (jobs, waiting) = (jobs.parse()?, waiting.parse()?);
    let done = std::thread::spawn(move || router::run(&url, &folder, jobs, waiting).map_err(|error| error.to_string()));
    let lines = done.join().map_err(|_| "the measurement broke off")??;
    let mut out = std::io::stdout();
    for line in lines {
        writeln!(out, "| {} | {} | {} |", line.name, line.value, line.target)?;
    }
    Ok(())
}

/// Starts, until one chat is answered, and stops again with SIGTERM.
async fn cold_start(arguments: &[String]) -> Result<(), Failure> {
    let [url, key, dashes, program, rest @ ..] = arguments else {
        return Err("usage: bench cold-start URL KEY -- COMMAND…".into());
    };
    if dashes != "--" {
        return Err("usage: bench cold-start URL KEY -- COMMAND…".into());
    }
    let (address, path) = place(url)?;
    let target = Target { name: "cold".into(), address, path, key: key.clone(), pid: None };
    let mut times = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        let mut process = tokio::process::Command::new(program)
            .args(rest)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        while load::expected(&target, false).await.is_err() {
            if let Some(status) = process.try_wait()? {
                return Err(format!("the server ended before it answered: {status}").into());
            }
            if began.elapsed() > Duration::from_secs(30) {
                return Err("no answer within 30 seconds".into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        times.push(began.elapsed());
        if let Some(pid) = process.id() {
            tokio::process::Command::new("kill").arg(pid.to_string()).status().await?;
        }
        process.wait().await?;
    }
    times.sort_unstable();
    writeln!(std::io::stdout(), "{:.0}", times[times.len() / 2].as_secs_f64() * 1000.0)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn an_address_has_a_host_and_a_path() {
        let (address, path) = place("http://127.0.0.1:80/v1/chat/completions").unwrap();
        assert_eq!((address.port(), path.as_str()), (80, "/v1/chat/completions"));
        assert!(place("https://127.0.0.1:80/").is_err());
    }
}
