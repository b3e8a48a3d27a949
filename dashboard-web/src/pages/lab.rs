//! Experiments on shops of their own: what to look at, progress as it happens, what was measured, the verdict.

use leptos::prelude::*;
use sagascope_api::experiments::{Experiment, ExperimentRun, Experiments, FigureTable, RunState, RunSummary};
use sagascope_api::live::Topic;
use sagascope_api::text;
use serde_json::json;

use crate::clock::use_clock;
use crate::components::act::{self, Acting, Asked, Call};
use crate::components::marks::{clean, glyph, sentence, state, tone};
use crate::connection::use_live;
use crate::keyboard::use_keyboard;
use crate::remote::Remote;
use crate::route::encode;
use crate::router::use_router;

/// Past runs in the document.
const PAST: usize = 20;

/// What the page knows.
#[derive(Clone, Copy)]
struct Lab {
    course: Memo<Vec<Experiment>>,
    /// The one that is looked at.
    selected: Memo<Option<Experiment>>,
    /// The run that goes on; there is one at a time.
    running: Memo<Option<RunSummary>>,
    acting: Acting,
}

/// The page.
pub(crate) fn lab() -> AnyView {
    let live = use_live();
    live.want(Topic::Experiments);
    let asked = use_router().query("experiment");
    let course = Memo::new(move |_| {
        live.read(&[Topic::Experiments], |picture| {
            picture.course().into_iter().cloned().collect::<Vec<_>>()
        })
    });
    // What the address asks for, or the first of the course.
    let selected = Memo::new(move |_| {
        let (course, asked) = (course.read(), asked.read());
        let named = course.iter().find(|row| row.scenario.name == *asked);
        named.or(course.first()).cloned()
    });
    let running = Memo::new(move |_| {
        let course = course.read();
        let mut runs = course.iter().filter_map(|row| row.run.as_ref()).map(|run| &run.summary);
        runs.find(|run| run.state == RunState::Running).cloned()
    });
    let lab = Lab {
        course,
        selected,
        running,
        acting: Acting::new(),
    };
    listen(lab);
    // Verdicts that the stream does not carry: of all runs that are kept.
    let kept = Remote::<Experiments>::new(|| Some("/experiments".into()));
    Effect::new(move |before: Option<()>| {
        running.track();
        if before.is_some() {
            kept.refresh();
        }
    });
    let unavailable = move || {
        let list = kept.value.read();
        let why = list.as_ref().and_then(|list| list.unavailable.clone());
        why.map(|why| view! { <p class="card empty" id="no-lab">{sentence(&why)}</p> })
    };
    view! {
        <div class="head">
            <h1>"Lab"</h1>
            <span class="soft">"experiments on shops of their own, each with measured figures and a verdict"</span>
        </div>
        {act::strip(lab.acting)}
        {unavailable}
        <Show when=move || !course.read().is_empty()>
            <div class="lab">
                {list(lab)}
                <div class="column">{panel(lab)} {past(kept)}</div>
            </div>
        </Show>
    }
    .into_any()
}

/// `j` and `k` look at another experiment, `r` asks to run it, `C` to end the one that runs.
fn listen(lab: Lab) {
    let router = use_router();
    let step = move |by: isize| {
        let names: Vec<String> = lab
            .course
            .read_untracked()
            .iter()
            .map(|row| row.scenario.name.clone())
            .collect();
        let now = lab.selected.get_untracked().map(|row| row.scenario.name);
        let at = names.iter().position(|name| Some(name) == now.as_ref()).unwrap_or(0);
        let next = at.saturating_add_signed(by).min(names.len().saturating_sub(1));
        if let Some(name) = names.get(next) {
            router.set_query("experiment", name);
        }
    };
    use_keyboard().listen(move |key| {
        match key {
            "j" | "ArrowDown" => step(1),
            "k" | "ArrowUp" => step(-1),
            "g" | "Home" => step(isize::MIN),
            "G" | "End" => step(isize::MAX),
            "Escape" => return lab.acting.leave(),
            "r" => match (lab.selected.get_untracked(), lab.running.get_untracked()) {
                (Some(row), None) => lab.acting.ask(run(&row)),
                _ => return false,
            },
            "C" => match lab.running.get_untracked() {
                Some(run) => lab.acting.ask(end(&run)),
                None => return false,
            },
            _ => return false,
        }
        true
    });
}

fn run(row: &Experiment) -> Asked {
    let takes = row.scenario.about_seconds.map_or_else(String::new, |seconds| {
        format!(" for about {}", text::age(seconds as f64))
    });
    Asked {
        title: format!("Run {}?", row.scenario.name),
        effect: format!(
            "It starts a shop of its own beside this one{takes}, breaks it, and measures. This shop goes on, with less of the machine."
        ),
        yes: "Run",
        call: Call::RunExperiment {
            path: format!("/experiments/{}/run", encode(&row.scenario.name)),
            body: json!({}),
        },
    }
}

fn end(run: &RunSummary) -> Asked {
    Asked {
        title: format!("End {}?", run.experiment),
        effect: "Its shop is ended and its folder removed. It has no verdict then.".into(),
        yes: "End it",
        call: Call::EndRun {
            path: format!("/experiments/runs/{}", encode(&run.id)),
        },
    }
}

fn list(lab: Lab) -> AnyView {
    let rows = move || {
        let selected = lab.selected.get().map(|row| row.scenario.name);
        let course = lab.course.get();
        course
            .iter()
            .map(|row| list_row(row, selected.as_ref() == Some(&row.scenario.name)))
            .collect_view()
    };
    view! { <section class="card" aria-label="Experiments" id="experiments">{rows}</section> }.into_any()
}

fn list_row(row: &Experiment, is_selected: bool) -> AnyView {
    let clock = use_clock();
    let told = row
        .run
        .as_ref()
        .map(|run| run.summary.clone())
        .or_else(|| row.last.clone());
    let mark = told.as_ref().map_or(text::NO_DATA, |run| text::run_mark(run.state));
    let word = told.as_ref().map_or("never run", |run| run.state.as_str());
    let when = told.map(|run| {
        let at = run.ended_at.unwrap_or(run.started_at);
        move || clock.age(at)
    });
    let path = format!("/lab?experiment={}", encode(&row.scenario.name));
    view! {
        <a class="lab-row" href=path aria-current=is_selected.then_some("true")>
            {glyph(mark, word)}
            <span class="clip strong">{clean(&row.scenario.name)}</span>
            <span class=format!("nowrap {}", tone(mark.tone))>{word} " " {when}</span>
        </a>
    }
    .into_any()
}

fn panel(lab: Lab) -> AnyView {
    let shown = move || {
        lab.selected.get().map(|row| {
            let running = lab.running.get();
            let run_button = act::button(lab.acting, "Run…", run(&row));
            let end_button = running
                .as_ref()
                .filter(|run| run.experiment == row.scenario.name)
                .map(|run| act::button(lab.acting, "End…", end(run)));
            let waits = running.filter(|run| run.experiment != row.scenario.name).map(
                |run| view! { <span class="soft">{format!("{} runs; one at a time", clean(&run.experiment))}</span> },
            );
            let buttons = if end_button.is_none() && waits.is_none() {
                Some(run_button)
            } else {
                end_button
            };
            let told = row
                .run
                .as_ref()
                .map(|run| state(text::run_mark(run.summary.state), run.summary.state.as_str()));
            let look_at = row
                .scenario
                .look_at
                .iter()
                .map(|line| view! { <li>{sentence(line)}</li> })
                .collect_view();
            view! {
                <section class="card" aria-label="Experiment" id="experiment">
                    <header>
                        <h2>{clean(&row.scenario.name)}</h2>
                        {told}
                        <span class="push"></span>
                        {waits}
                        {buttons}
                    </header>
                    <div class="body column">
                        <p>{sentence(&row.scenario.title)}</p>
                        {verdict(&row)}
                        <div><h3>"Look at"</h3><ul class="look-at">{look_at}</ul></div>
                        {row.run.as_ref().map(outcome)}
                    </div>
                </section>
            }
        })
    };
    view! { {shown} }.into_any()
}

/// Where the newest run stands, and of one that goes on how the last went.
fn verdict(row: &Experiment) -> AnyView {
    let clock = use_clock();
    let Some(run) = &row.run else {
        let takes = row
            .scenario
            .about_seconds
            .map(|seconds| format!(" It takes about {}.", text::age(seconds as f64)));
        return view! { <p class="soft">"Never run yet." {takes}</p> }.into_any();
    };
    let summary = run.summary.clone();
    let class = format!("strong wrap {}", tone(text::run_mark(summary.state).tone));
    let seed = run.request.seed.map(|seed| format!(" · seed {seed}"));
    let took = move || {
        let until = summary.ended_at.unwrap_or_else(|| clock.now());
        text::age(until.seconds_since(summary.started_at).max(0.0))
    };
    let words = summary.verdict.as_deref().map(sentence);
    let line = match words {
        Some(words) => view! { <p class=class id="verdict">{words} " · took " {took} {seed}</p> }.into_any(),
        None => view! { <p class=class id="verdict">"running for " {took} {seed}</p> }.into_any(),
    };
    let last = row.last.as_ref().filter(|_| run.summary.state == RunState::Running).map(|last| {
        let words = last.verdict.as_deref().map(sentence);
        view! { <p class="soft">"last time: " {state(text::run_mark(last.state), last.state.as_str())} " " {words}</p> }
    });
    view! { {line} {last} }.into_any()
}

/// What the run has told and found.
fn outcome(run: &ExperimentRun) -> AnyView {
    let dropped = (run.progress_dropped > 0).then(|| format!("{} older lines are not kept", run.progress_dropped));
    let lines = run
        .progress
        .iter()
        .map(|line| {
            let at = line.at.to_string();
            let clock = at.get(11..19).unwrap_or_default().to_owned();
            view! { <li><span class="mono soft">{clock}</span><span class="wrap">{sentence(&line.text)}</span></li> }
        })
        .collect_view();
    if run.summary.state == RunState::Running {
        return view! { <ol class="rows progress" id="progress" aria-live="polite">{dropped} {lines}</ol> }.into_any();
    }
    let findings = run
        .findings
        .iter()
        .map(|finding| {
            let (mark, word) = if finding.holds {
                (text::GOOD, "holds")
            } else {
                (text::BAD, "does not hold")
            };
            view! { <li>{glyph(mark, word)} <span class="wrap">{sentence(&finding.text)}</span></li> }
        })
        .collect_view();
    let count = match run.progress.len() {
        1 => "1 line".to_owned(),
        count => format!("{count} lines"),
    };
    view! {
        {run.tables.iter().map(figures).collect_view()}
        <ul class="rows findings" id="findings">{findings}</ul>
        <details>
            <summary class="soft">{format!("What it did: {count}")}</summary>
            <ol class="rows progress">{dropped} {lines}</ol>
        </details>
    }
    .into_any()
}

fn figures(table: &FigureTable) -> AnyView {
    let is_number = |cell: &String| cell.starts_with(|c: char| c.is_ascii_digit() || c == '–');
    let class = |n: usize| {
        let all = n > 0 && table.rows.iter().filter_map(|row| row.get(n)).all(is_number);
        if all { "num" } else { "" }
    };
    let heads = table
        .columns
        .iter()
        .enumerate()
        .map(|(n, head)| view! { <th scope="col" class=class(n)>{clean(head)}</th> })
        .collect_view();
    let rows = table
        .rows
        .iter()
        .map(|row| {
            let cells = row
                .iter()
                .enumerate()
                .map(|(n, cell)| match n {
                    0 => view! { <td class="strong">{clean(cell)}</td> }.into_any(),
                    n => view! { <td class=class(n)>{clean(cell)}</td> }.into_any(),
                })
                .collect_view();
            view! { <tr>{cells}</tr> }
        })
        .collect_view();
    view! {
        <div>
            <h3>{sentence(&table.title)}</h3>
            // Wide tables scroll by themselves; a keyboard reaches them too.
            <div class="scroll-x" tabindex="0" role="region" aria-label=sentence(&table.title)>
                <table class="figures"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>
            </div>
        </div>
    }
    .into_any()
}

/// Runs that are kept, newest first.
fn past(kept: Remote<Experiments>) -> AnyView {
    let clock = use_clock();
    let rows = move || {
        let list = kept.value.read();
        let runs = list
            .iter()
            .flat_map(|list| &list.runs)
            .filter(|run| run.state != RunState::Running);
        runs.take(PAST)
            .map(|run| {
                let at = run.ended_at.unwrap_or(run.started_at);
                let path = format!("/lab?experiment={}", encode(&run.experiment));
                view! {
                    <li class="past-run">
                        {glyph(text::run_mark(run.state), run.state.as_str())}
                        <a class="clip strong" href=path>{clean(&run.experiment)}</a>
                        <span class="wrap">{run.verdict.as_deref().map(sentence)}</span>
                        <span class="nowrap soft">{move || text::ago(clock.now().seconds_since(at))}</span>
                    </li>
                }
            })
            .collect_view()
    };
    let nothing = move || kept.value.read().as_ref().is_none_or(|list| list.runs.is_empty());
    view! {
        <section class="card" aria-label="Earlier runs">
            <header><h2>"Earlier runs"</h2></header>
            <ul class="rows">{rows}</ul>
            <Show when=nothing><p class="empty">"Nothing has been run yet."</p></Show>
        </section>
    }
    .into_any()
}
