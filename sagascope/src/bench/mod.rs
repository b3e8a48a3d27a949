//! `sagascope bench`: how much a collector takes on this machine, and what that costs.

mod ask;
mod report;
mod subject;
mod usage;
mod visible;
mod watch;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sagascope_api::overview::Overview;
use sagascope_load::{Compression, Goal, Mix, Outcome, Pace, Plan, Progress, Protocol, Target};
use tokio::time::{interval, sleep};

use crate::cli::{BenchCompression, BenchOptions, BenchProtocol, LoadOptions};
use ask::Sent;
use report::{Overload, Report, Sending};
use subject::Subject;
use usage::disk_bytes;
use watch::Watchers;

/// A collector that uses less than this share of a core over this long has settled.
const SETTLED_SHARE: f64 = 0.03;
const SETTLED_OVER: Duration = Duration::from_secs(5);
/// It is not waited for longer than this.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
/// Connections of an overload: enough that the collector, and not the sender, decides what is taken.
const OVERLOAD_CONNECTIONS: u32 = 64;
/// The exact overload counts of the collector follow its answers within this time.
const COUNTS_WITHIN: Duration = Duration::from_secs(10);
/// Numbers of requests from here on are those of the overload and of single traces, so that no id comes twice.
const OVERLOAD_NUMBERS: u64 = 1 << 40;
const PROBE_NUMBERS: u64 = 1 << 41;

/// Measures and prints.
pub(crate) async fn run(options: BenchOptions) -> anyhow::Result<()> {
    crate::logging::start("warn");
    let mut subject = Subject::start(&options.subject).await?;
    let outcome = tokio::select! {
        outcome = measure(&options, &mut subject) => outcome,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    subject.stop().await?;
    let report = outcome?;
    let mut out = std::io::stdout().lock();
    if options.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        report.print(&mut out)?;
    }
    Ok(())
}

async fn measure(options: &BenchOptions, subject: &mut Subject) -> anyhow::Result<Report> {
    let load = &options.load;
    let target = Target {
        url: subject.otlp(load.protocol).to_owned(),
        protocol: protocol(load.protocol),
        compression: compression(load.compression),
    };
    let mut report = Report {
        watchers: load.watchers,
        ..Report::default()
    };
    settle(subject).await;
    report.memory_idle_bytes = subject.process.as_ref().and_then(|process| process.memory_bytes());
    let plan = plan(load, &target);
    take_load(load, subject, &plan, &mut report).await?;
    look(subject, load, &plan, &mut report).await?;
    if let Some(times) = load.overload {
        let overload = overload(load, subject, &plan, times, &mut report).await?;
        report.overload = Some(overload);
    }
    say("killing and starting again");
    if let Some(start) = subject.kill_and_restart().await? {
        report.restart_accepting_seconds = Some(start.accepting.as_secs_f64());
        report.restart_ready_seconds = Some(start.ready.as_secs_f64());
    }
    Ok(report)
}

/// Sends, waits until all work is done, and reads what it took.
async fn take_load(load: &LoadOptions, subject: &Subject, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let mut watchers = Watchers::open(&subject.api, load.watchers).await?;
    let before = subject.process.as_ref().and_then(|process| process.cpu_seconds());
    let threads_before = subject.process.as_ref().map(|process| process.cpu_seconds_by_thread());
    let counted_before = counted(&subject.api).await;
    let outcome = send(load, subject, plan, "sending").await?;
    let accepted = outcome.account.total().accepted;
    let counted = counted_since(&subject.api, counted_before, accepted).await;
    report.sending = Sending::of(&outcome.account, outcome.took.as_secs_f64(), counted);
    report.complaints.extend(outcome.account.complaint.clone());
    say("waiting until all work is done");
    let settled = settle(subject).await;
    report.settled_after_seconds = settled.map(|settled| settled.as_secs_f64());
    report.watchers_to_the_end = watchers.open_now();
    let millions = accepted as f64 / 1e6;
    if let Some(process) = &subject.process {
        report.cpu_seconds = process.cpu_seconds().zip(before).map(|(after, before)| after - before);
        report.cpu_seconds_per_million = report.cpu_seconds.map(|seconds| seconds / millions);
        let threads_before = threads_before.unwrap_or_default();
        for (name, seconds) in process.cpu_seconds_by_thread() {
            let used = seconds - threads_before.get(&name).copied().unwrap_or(0.0);
            report.cpu_seconds_per_million_by_thread.insert(name, used / millions);
        }
        report.memory_bytes = process.memory_bytes();
        report.memory_peak_bytes = process.memory_peak_bytes();
    }
    report.disk_bytes = subject.folder().map(|folder| disk_bytes(&folder));
    report.disk_bytes_per_record = report.disk_bytes.map(|bytes| bytes as f64 / accepted.max(1) as f64);
    Ok(())
}

/// Asks as a dashboard would.
async fn look(subject: &Subject, load: &LoadOptions, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    say("asking");
    let sent = Sent {
        seed: load.seed,
        requests: load.spans.div_ceil(u64::from(load.batch)),
        traces: load.batch.div_ceil(8),
        mix: plan.mix,
    };
    report.questions = Some(ask::all(&subject.api, sent).await?);
    say("watching single traces");
    let seen = visible::measure(&subject.api, &plan.target, load.seed, PROBE_NUMBERS).await?;
    report.answered_alone = Some(seen.answered);
    report.visible = Some(seen.by_query);
    report.pushed = Some(seen.pushed);
    Ok(())
}

/// Offers more than the collector took before.
async fn overload(
    load: &LoadOptions,
    subject: &Subject,
    plan: &Plan,
    times: f64,
    report: &mut Report,
) -> anyhow::Result<Overload> {
    let peak = report.sending.accepted_per_second;
    let plan = Plan {
        connections: load.connections.max(OVERLOAD_CONNECTIONS),
        first: OVERLOAD_NUMBERS,
        pace: Pace::Fixed {
            per_second: peak * times,
        },
        goal: Goal {
            records: None,
            duration: Duration::from_secs(load.overload_for),
        },
        ..plan.clone()
    };
    let before = counted(&subject.api).await;
    let outcome = send(load, subject, &plan, "overloading").await?;
    let total = outcome.account.total();
    let counted = counted_since(&subject.api, before, total.accepted).await;
    let seconds = outcome.took.as_secs_f64();
    report.complaints.extend(outcome.account.complaint.clone());
    Ok(Overload {
        times,
        offered_per_second: total.sent as f64 / seconds,
        share_of_peak: total.accepted as f64 / seconds / peak.max(1e-9),
        sending: Sending::of(&outcome.account, seconds, counted),
        memory_peak_bytes: subject.process.as_ref().and_then(|process| process.memory_peak_bytes()),
    })
}

/// Runs a plan, tells on standard error how it goes, and ends it when the collector grows too large.
async fn send(load: &LoadOptions, subject: &Subject, plan: &Plan, what: &str) -> anyhow::Result<Outcome> {
    let progress = Arc::new(Progress::default());
    let mut running = std::pin::pin!(sagascope_load::run(plan, &progress));
    let mut tick = interval(Duration::from_secs(1));
    tick.tick().await;
    let mut too_large = None;
    let outcome = loop {
        tokio::select! {
            outcome = &mut running => break outcome?,
            _ = tick.tick() => {
                let get = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
                say(&format!("{what}: {} accepted, {} pushed back", get(&progress.accepted), get(&progress.pushed_back)));
                let memory = subject.process.as_ref().and_then(|process| process.memory_bytes());
                if let Some(memory) = memory.filter(|memory| *memory > load.max_memory) {
                    progress.stop.store(true, Ordering::Relaxed);
                    too_large = Some(memory);
                }
            }
        }
    };
    match too_large {
        Some(memory) => anyhow::bail!("the collector uses {memory} bytes of memory, more than --max-memory allows"),
        None => Ok(outcome),
    }
}

/// Waits until the collector is idle; tells how long it was not.
async fn settle(subject: &Subject) -> Option<Duration> {
    let process = subject.process.as_ref()?;
    let began = Instant::now();
    let mut busy = Duration::ZERO;
    while began.elapsed() < SETTLED_WITHIN {
        let before = process.cpu_seconds()?;
        sleep(SETTLED_OVER).await;
        let used = process.cpu_seconds()? - before;
        if used < SETTLED_SHARE * SETTLED_OVER.as_secs_f64() {
            break;
        }
        busy = began.elapsed();
    }
    Some(busy)
}

/// Records that the collector says it has accepted since it began.
async fn counted(api: &str) -> Option<u64> {
    let client = reqwest::Client::builder().no_proxy().build().ok()?;
    let text = ask::text(&client, &format!("{api}/api/v1/overview")).await?;
    let overview: Overview = serde_json::from_str(&text).ok()?;
    let ingest = overview.ingest;
    Some(ingest.spans.accepted + ingest.logs.accepted + ingest.points.accepted)
}

/// By how much that has grown. A dashboard's numbers may be a moment old, so they are given that moment.
async fn counted_since(api: &str, before: Option<u64>, expected: u64) -> Option<u64> {
    let before = before?;
    let began = Instant::now();
    loop {
        let grown = counted(api).await?.saturating_sub(before);
        if grown == expected || began.elapsed() > COUNTS_WITHIN {
            return Some(grown);
        }
        sleep(Duration::from_millis(200)).await;
    }
}

fn plan(load: &LoadOptions, target: &Target) -> Plan {
    Plan {
        target: target.clone(),
        connections: load.connections,
        batch: load.batch,
        mix: Mix {
            traces: 8,
            logs: if load.logs { 2 } else { 0 },
            metrics: u32::from(load.metrics),
        },
        seed: load.seed,
        first: 0,
        pace: load.rate.map_or(Pace::Closed, |per_second| Pace::Fixed { per_second }),
        goal: Goal {
            records: Some(load.spans),
            duration: Duration::from_secs(load.duration),
        },
    }
}

const fn protocol(protocol: BenchProtocol) -> Protocol {
    match protocol {
        BenchProtocol::Grpc => Protocol::Grpc,
        BenchProtocol::Http => Protocol::Http,
    }
}

const fn compression(compression: BenchCompression) -> Compression {
    match compression {
        BenchCompression::None => Compression::None,
        BenchCompression::Gzip => Compression::Gzip,
        BenchCompression::Zstd => Compression::Zstd,
    }
}

/// Progress goes to standard error, so that the figures can be piped.
fn say(text: &str) {
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "{text}");
}
