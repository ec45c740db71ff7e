//! What the request router costs by itself: taking work in, carrying out jobs that do nothing, picking work up, and a queue
//! with very much in it. The router runs in this process, on the database that is named.

use std::{
    collections::HashMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use server::{
    app::App,
    clock::Clock,
    services::{
        identity::{Caller, Visit},
        router::Draft,
    },
    settings::{self, Settings},
    store::{
        Page,
        jobs::{BodyRow, Claim, JobRow, Lane, RequestFilter, RequestRow, Sort, Submission},
    },
};

use crate::Failure;

const QUEUE: &str = "noop";

/// One line of the table.
pub struct Line {
    pub name: &'static str,
    pub value: String,
    pub target: &'static str,
}

/// Measures everything on one database. `folder` is empty and stays behind.
pub fn run(url: &str, folder: &Path, jobs: usize, waiting: usize) -> Result<Vec<Line>, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(url, folder, jobs, waiting))
}

fn settings(url: &str, folder: &Path, workers: bool) -> Result<Settings, Failure> {
    let mut settings = settings::load(Path::new("/nonexistent/electrons.toml"), false, [])?;
    let any_port = "127.0.0.1:0".parse()?;
    (settings.server.address, settings.simulation.address) = (any_port, any_port);
    settings.database.url = url.to_owned();
    settings.storage.data_folder = folder.to_owned();
    settings.router.workers = workers;
    Ok(settings)
}

async fn start(url: &str, folder: &Path, workers: bool) -> Result<App, Failure> {
    Ok(Box::pin(App::start(settings(url, folder, workers)?, Clock::system(), HashMap::new())).await?)
}

async fn measure(url: &str, folder: &Path, jobs: usize, waiting: usize) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    let mut line = |name, value, target| lines.push(Line { name, value, target });

    let app = start(url, folder, false).await?;
    let key = app.welcome.as_ref().map(|welcome| welcome.api_key.secret.clone()).ok_or("the database is not new")?;
    let caller = Arc::new(app.state.identity.by_key(&key, None)?);
    let single = accepted(&app, &caller, 1, 16, Duration::from_secs(3)).await?;
    line("requests accepted, one at a time by 16 callers", format!("{single:.0} /s"), "");
    let batch = accepted(&app, &caller, 1_000, 2, Duration::from_secs(3)).await?;
    line("requests accepted, 1,000 at a time by 2 callers", format!("{batch:.0} /s"), "");

    // Only what the drain is to find.
    let began = Instant::now();
    for start in (0..jobs).step_by(1_000) {
        let rows: Vec<JobRow> = (start..jobs.min(start + 1_000)).map(|n| job(&app, &caller, n)).collect();
        app.state.db.enqueue(&rows).await?;
    }
    let enqueued = jobs as f64 / began.elapsed().as_secs_f64();
    line("jobs written, 1,000 at a time", format!("{enqueued:.0} /s"), "");
    Box::pin(app.stop()).await;

    let app = start(url, folder, true).await?;
    let began = Instant::now();
    let mut left = jobs;
    while left > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let live = app.state.db.live_jobs().await?;
        let of_queue = live.iter().filter(|row| row.queue == QUEUE).map(|row| row.count).sum::<i64>();
        left = usize::try_from(of_queue)?;
    }
    let drained = jobs as f64 / began.elapsed().as_secs_f64();
    let target = if url.starts_with("postgres") { "10,000 /s" } else { "15,000 /s" };
    line("drain of jobs that do nothing", format!("{drained:.0} /s"), target);

    let (p50, p99) = pickup(&app, &caller).await?;
    line("from accepted to begun, 100 /s (p50, p99)", format!("{p50:.1} ms, {p99:.1} ms"), "");
    Box::pin(app.stop()).await;

    let app = start(url, folder, false).await?;
    let db = &app.state.db;
    for start in (0..waiting).step_by(1_000) {
        let rows: Vec<Submission> =
            (start..waiting.min(start + 1_000)).map(|n| submission(&app, &caller, jobs + n)).collect();
        db.submit(&rows, None).await?;
    }
    let mut claims = Vec::new();
    for _ in 0..20 {
        let (room, started) = (|_: &Lane| usize::MAX, |_: &JobRow| None);
        let claim = Claim {
            queue: QUEUE,
            worker_id: "bench",
            now_us: app.state.clock.now_us(),
            lease_until_us: i64::MAX,
            most: 100,
            room: &room,
            started: &started,
        };
        let began = Instant::now();
        let (claimed, _) = db.claim_jobs(&claim, None).await?;
        claims.push(began.elapsed());
        if claimed.len() != 100 {
            return Err("a claim of the long queue came back short".into());
        }
    }
    line("claim of 100 jobs, a million waiting (median)", millis(median(&mut claims)), "");
    let filter = RequestFilter { instance_id: Some(caller.instance.id.clone()), ..RequestFilter::default() };
    let mut lists = Vec::new();
    for _ in 0..20 {
        let began = Instant::now();
        db.list_work(&filter, Sort::NewestFirst, &Page::first(50)).await?;
        lists.push(began.elapsed());
    }
    line("page of 50 requests, a million waiting (median)", millis(median(&mut lists)), "100 ms");
    let mut places = Vec::new();
    for n in 0..20 {
        let began = Instant::now();
        db.jobs_before(QUEUE, i64::MAX - n, "", 10_000).await?;
        places.push(began.elapsed());
    }
    line("place in that queue (median)", millis(median(&mut places)), "");
    Box::pin(app.stop()).await;
    Ok(lines)
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Requests per second that callers get accepted, each of them `at_once` at a time.
async fn accepted(
    app: &App,
    caller: &Arc<Caller>,
    at_once: usize,
    callers: usize,
    time: Duration,
) -> Result<f64, Failure> {
    let began = Instant::now();
    let work: Vec<_> = (0..callers)
        .map(|_| {
            let (router, caller) = (app.state.router.clone(), caller.clone());
            tokio::spawn(async move {
                let mut done = 0;
                while began.elapsed() < time {
                    let draft = Draft {
                        query: "Write a line about rivers".to_owned(),
                        provider: Some("bench-worker".to_owned()),
                        ..Draft::default()
                    };
                    let drafts = vec![draft; at_once];
                    done += router.accept(&caller, "bench", &Visit::default(), drafts, None).await?.len();
                }
                Ok::<usize, server::services::router::RouterError>(done)
            })
        })
        .collect();
    let mut done = 0;
    for one in work {
        done += one.await??;
    }
    Ok(done as f64 / began.elapsed().as_secs_f64())
}

/// How long requests wait for a worker that has nothing else to do, in milliseconds.
async fn pickup(app: &App, caller: &Caller) -> Result<(f64, f64), Failure> {
    let mut ids = Vec::new();
    for n in 0..300 {
        let one = submission(app, caller, usize::MAX / 2 + n);
        ids.push(one.request.id.clone());
        app.state.db.submit(&[one], None).await?;
        app.state.router.wake();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut waits = Vec::new();
    for id in &ids {
        let request = app.state.db.work_request(id).await?.ok_or("a request is gone")?;
        let started_us = request.started_us.ok_or("a request was not begun")?;
        waits.push((started_us - request.created_us) as f64 / 1_000.0);
    }
    waits.sort_by(f64::total_cmp);
    Ok((waits[waits.len() / 2], waits[waits.len() * 99 / 100]))
}

fn job(app: &App, caller: &Caller, n: usize) -> JobRow {
    submission(app, caller, n).job
}

/// A request whose job does nothing.
fn submission(app: &App, caller: &Caller, n: usize) -> Submission {
    let now_us = app.state.clock.now_us();
    let id = app.state.clock.new_id().to_string();
    let request = RequestRow {
        id: id.clone(),
        org_id: caller.instance.org_id.clone(),
        instance_id: caller.instance.id.clone(),
        project_id: None,
        key_id: caller.key_id.clone(),
        user_id: None,
        app_id: "bench".to_owned(),
        batch_id: None,
        surface: "bench".to_owned(),
        kind: QUEUE.to_owned(),
        task_type: "text".to_owned(),
        subtask: None,
        provider: QUEUE.to_owned(),
        model: QUEUE.to_owned(),
        status: "queued".to_owned(),
        title: format!("Number {n}"),
        priority: 0,
        tags: json!({ "items": [] }),
        epoch: 0,
        retry_count: 0,
        max_retries: 3,
        error_message: None,
        error_class: None,
        callback_url: None,
        run_at_us: now_us,
        deadline_us: None,
        created_us: now_us,
        queued_us: Some(now_us),
        started_us: None,
        completed_us: None,
    };
    let job = JobRow {
        id: id.clone(),
        request_id: Some(id.clone()),
        org_id: request.org_id.clone(),
        user_id: None,
        kind: QUEUE.to_owned(),
        queue: QUEUE.to_owned(),
        tenant: request.instance_id.clone(),
        model: QUEUE.to_owned(),
        state: "waiting".to_owned(),
        priority: 0,
        rank_us: now_us,
        run_at_us: now_us,
        deadline_us: None,
        attempt: 0,
        max_attempts: 4,
        epoch: 0,
        worker_id: None,
        lease_until_us: None,
        claimed_us: None,
        cancel_us: None,
        reason: None,
        unique_key: None,
        remote_id: None,
        remote: json!({}),
        payload: json!({}),
        created_us: now_us,
    };
    let body = BodyRow {
        request_id: id,
        query: "Write a line about rivers".to_owned(),
        input: json!({}),
        metadata: json!({}),
        result: None,
    };
    Submission { request, body, job, events: Vec::new() }
}
