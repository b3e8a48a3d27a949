//! One saga as a flow: forward steps from left to right, each undo beneath its step, running back to the left.

use leptos::prelude::*;
use sagascope_api::sagas::{Compensation, SagaDetail, Step};
use sagascope_api::text::{self, Mark};
use sagascope_api::{Time, text::Tone};
use sagascope_conventions::{SagaState, StepState};

use crate::clock::use_clock;
use crate::components::marks::{clean, tone};

const NODE_W: f64 = 132.0;
const NODE_H: f64 = 64.0;
const GAP: f64 = 30.0;
const PAD: f64 = 4.0;
const UNDO_Y: f64 = 108.0;
/// A narrow place makes the picture smaller down to this, then it scrolls.
const LEAST_SCALE: f64 = 0.78;
/// Steps drawn; a flow longer than this is not read as a picture.
const STEPS: usize = 60;

/// Draws the flow.
pub(crate) fn flow(detail: &SagaDetail) -> AnyView {
    let steps = &detail.steps[..detail.steps.len().min(STEPS)];
    let undone = steps.iter().any(|step| step.compensation.is_some())
        || matches!(
            detail.saga.state,
            SagaState::Compensating | SagaState::Compensated | SagaState::Failed
        );
    let width = (steps.len() as f64 * (NODE_W + GAP) - GAP).max(NODE_W) + 2.0 * PAD;
    let height = if undone {
        UNDO_Y + NODE_H + PAD
    } else {
        NODE_H + 2.0 * PAD
    };
    let edges = steps
        .windows(2)
        .enumerate()
        .map(|(n, pair)| forward_edge(n, &pair[1]))
        .collect_view();
    let undo_edges = undo_edges(steps);
    view! {
        <div class="scroll-x" tabindex="0" role="group" aria-label="flow of the saga">
            <svg
                class="flow"
                id="saga-flow"
                style:max-width=format!("{width}px")
                style:min-width=format!("{}px", width * LEAST_SCALE)
                viewBox=format!("0 0 {width} {height}")
                preserveAspectRatio="xMinYMin meet"
            >
                {edges}
                {undo_edges}
                {steps.iter().enumerate().map(|(n, step)| forward(n, step)).collect_view()}
                {steps
                    .iter()
                    .enumerate()
                    .filter_map(|(n, step)| step.compensation.as_ref().map(|undo| backward(n, step, undo)))
                    .collect_view()}
            </svg>
        </div>
    }
    .into_any()
}

fn left(n: usize) -> f64 {
    PAD + n as f64 * (NODE_W + GAP)
}

fn forward(n: usize, step: &Step) -> AnyView {
    let clock = use_clock();
    let mark = text::step_mark(step.state);
    let next = step.next_attempt_at;
    let started = step.started_at;
    let second: Box<dyn Fn() -> String + Send> = match step.state {
        StepState::Retrying => Box::new(move || match next.map(|next| clock.left(next)) {
            Some(left) if !left.is_empty() => format!("next attempt in {left}"),
            _ => "next attempt due".to_owned(),
        }),
        StepState::Running => Box::new(move || started.map_or_else(String::new, |at| format!("for {}", clock.age(at)))),
        StepState::Failed => {
            let reason = text::scrub(step.reason.as_deref().unwrap_or_default(), 17);
            Box::new(move || reason.clone())
        }
        _ => Box::new(String::new),
    };
    let first = outcome(step.state, step.attempts, took(step.started_at, step.ended_at));
    let title = described(&step.name, step.state, step.attempts, step.reason.as_deref());
    node(
        left(n),
        PAD,
        mark,
        step.state,
        text::scrub(&step.name, 15),
        first,
        second,
        title,
    )
}

fn backward(n: usize, step: &Step, undo: &Compensation) -> AnyView {
    let mark = match undo.state {
        StepState::Succeeded => text::UNDO,
        StepState::Running | StepState::Retrying => Mark {
            tone: Tone::Undo,
            ..text::step_mark(undo.state)
        },
        state => text::step_mark(state),
    };
    let first = outcome(undo.state, undo.attempts, took(undo.started_at, undo.ended_at));
    let reason = text::scrub(undo.reason.as_deref().unwrap_or_default(), 17);
    let title = described(
        &format!("undo of {}", step.name),
        undo.state,
        undo.attempts,
        undo.reason.as_deref(),
    );
    let name = format!("undo {}", text::scrub(&step.name, 11));
    node(
        left(n),
        UNDO_Y,
        mark,
        undo.state,
        name,
        first,
        Box::new(move || reason.clone()),
        title,
    )
}

#[expect(clippy::too_many_arguments, reason = "one shape, drawn for steps and for undos")]
fn node(
    x: f64,
    y: f64,
    mark: Mark,
    state: StepState,
    name: String,
    first: String,
    second: Box<dyn Fn() -> String + Send>,
    title: String,
) -> AnyView {
    let class = match state {
        StepState::Running | StepState::Retrying => "node active",
        StepState::Pending => "node pending",
        StepState::Succeeded | StepState::Failed => "node",
    };
    let label = title.clone();
    view! {
        <g class=tone(mark.tone) role="img" aria-label=label>
            <title>{title}</title>
            <rect class=class x=x.to_string() y=y.to_string() width=NODE_W.to_string() height="64" rx="8"></rect>
            <text class="glyph-mark tone" x=(x + 10.0).to_string() y=(y + 21.0).to_string()>
                <tspan class="glyph-mark">{mark.glyph}</tspan>
            </text>
            <text class="name" x=(x + 28.0).to_string() y=(y + 21.0).to_string()>{name}</text>
            <text class="soft" x=(x + 10.0).to_string() y=(y + 39.0).to_string()>{first}</text>
            <text class="soft" x=(x + 10.0).to_string() y=(y + 55.0).to_string()>{second}</text>
        </g>
    }
    .into_any()
}

/// The edge into step `n + 1`.
fn forward_edge(n: usize, next: &Step) -> AnyView {
    let class = match next.state {
        StepState::Pending => "",
        StepState::Running | StepState::Retrying => "moving",
        StepState::Succeeded | StepState::Failed => "done",
    };
    let (x1, x2, y) = (left(n) + NODE_W, left(n + 1), PAD + NODE_H / 2.0);
    arrow(class, &[(x1, y), (x2, y)])
}

/// From the step where it turned, down, and back to the left under what was done.
fn undo_edges(steps: &[Step]) -> AnyView {
    let undone: Vec<usize> = steps
        .iter()
        .enumerate()
        .filter(|(_, step)| step.compensation.is_some())
        .map(|(n, _)| n)
        .collect();
    let turn = steps.iter().rposition(|step| step.state != StepState::Pending);
    let y = UNDO_Y + NODE_H / 2.0;
    let mut arrows = Vec::new();
    for pair in undone.windows(2).rev() {
        arrows.push(arrow("undo", &[(left(pair[1]), y), (left(pair[0]) + NODE_W, y)]));
    }
    if let (Some(turn), Some(last)) = (turn, undone.last().copied()) {
        let middle = left(turn) + NODE_W / 2.0;
        let down = (middle, PAD + NODE_H);
        if turn == last {
            arrows.push(arrow("undo", &[down, (middle, UNDO_Y)]));
        } else {
            arrows.push(arrow("undo", &[down, (middle, y), (left(last) + NODE_W, y)]));
        }
    }
    arrows.into_any()
}

fn arrow(class: &'static str, path: &[(f64, f64)]) -> AnyView {
    let points: Vec<String> = path.iter().map(|(x, y)| format!("{x},{y}")).collect();
    let [.., (x0, y0), (x1, y1)] = path else {
        return ().into_any();
    };
    let (dx, dy) = ((x1 - x0).signum() * 7.0, (y1 - y0).signum() * 7.0);
    let head = if (x1 - x0).abs() > (y1 - y0).abs() {
        format!("{x1},{y1} {},{} {},{}", x1 - dx, y1 - 4.0, x1 - dx, y1 + 4.0)
    } else {
        format!("{x1},{y1} {},{} {},{}", x1 - 4.0, y1 - dy, x1 + 4.0, y1 - dy)
    };
    view! {
        <polyline class=format!("edge {class}") points=points.join(" ")></polyline>
        <polygon class=format!("arrow {class}") points=head></polygon>
    }
    .into_any()
}

fn took(from: Option<Time>, to: Option<Time>) -> Option<f64> {
    Some(to?.seconds_since(from?))
}

fn outcome(state: StepState, attempts: u32, seconds: Option<f64>) -> String {
    let time = seconds.map(text::duration);
    match (state, attempts) {
        (StepState::Pending, _) => String::new(),
        (StepState::Failed, tries) => format!("failed after {}", tries_word(tries)),
        (StepState::Succeeded, 0 | 1) => time.unwrap_or_else(|| "done".into()),
        (StepState::Succeeded, tries) => {
            format!("{} · {}", time.unwrap_or_else(|| "done".into()), tries_word(tries))
        }
        (_, tries) => format!("attempt {}", tries.max(1)),
    }
}

fn tries_word(tries: u32) -> String {
    if tries == 1 {
        "1 try".into()
    } else {
        format!("{tries} tries")
    }
}

fn described(name: &str, state: StepState, attempts: u32, reason: Option<&str>) -> String {
    let mut said = format!(
        "{}: {}, {}",
        clean(name),
        text::words(state.as_str()),
        tries_word(attempts)
    );
    if let Some(reason) = reason {
        said.push_str(&format!(", {}", text::scrub(reason, 300)));
    }
    said
}
