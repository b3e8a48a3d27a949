//! All instances of a saga type as one graph: width by count, what is lost at each step, undos beneath.

use leptos::prelude::*;
use sagascope_api::sagas::{SagaType, StepSummary};
use sagascope_api::text;

const NODE_W: f64 = 158.0;
const NODE_H: f64 = 92.0;
const GAP: f64 = 74.0;
const PAD: f64 = 4.0;
const UNDO_Y: f64 = 132.0;
const STEPS: usize = 60;

/// Draws the graph.
pub(crate) fn type_flow(kind: &SagaType) -> AnyView {
    let steps = &kind.steps[..kind.steps.len().min(STEPS)];
    let most = steps.iter().map(|step| step.entered).max().unwrap_or(0).max(1);
    let width = (steps.len() as f64 * (NODE_W + GAP) - GAP).max(NODE_W) + 2.0 * PAD;
    let height = UNDO_Y + 44.0;
    view! {
        <div class="scroll-x" tabindex="0" role="group" aria-label="flow of all instances">
            <svg
                class="flow"
                style:max-width=format!("{width}px")
                style:min-width=format!("{}px", width * 0.7)
                viewBox=format!("0 0 {width} {height}")
                preserveAspectRatio="xMinYMin meet"
            >
                {steps.windows(2).enumerate().map(|(n, pair)| edge(n, &pair[0], &pair[1], most)).collect_view()}
                {steps.iter().enumerate().map(|(n, step)| node(n, step)).collect_view()}
                {steps.iter().enumerate().filter(|(_, step)| step.compensated > 0).map(|(n, step)| undo(n, step, most)).collect_view()}
            </svg>
        </div>
    }
    .into_any()
}

/// The step where most are lost, in a sentence.
pub(crate) fn caption(kind: &SagaType) -> String {
    let worst = kind
        .steps
        .iter()
        .filter(|step| step.failed > 0)
        .max_by_key(|step| step.failed);
    worst.map_or_else(
        || "No step lost an instance in the window.".to_owned(),
        |step| {
            let share = step.failed as f64 / step.entered.max(1) as f64;
            format!(
                "Most are lost at {}: {} of {} ({}).",
                text::scrub(&step.name, 40),
                text::count(step.failed),
                text::count(step.entered),
                text::percent(share)
            )
        },
    )
}

fn left(n: usize) -> f64 {
    PAD + n as f64 * (NODE_W + GAP)
}

fn node(n: usize, step: &StepSummary) -> AnyView {
    let x = left(n);
    let tone = if step.failed > 0 { "tone-bad" } else { "tone-good" };
    let at = |line: f64| (PAD + line).to_string();
    let inside = (x + 10.0).to_string();
    view! {
        <g class=tone>
            <rect class="node" x=x.to_string() y=PAD.to_string() width="158" height="92" rx="8"></rect>
            <text class="name" x=inside.clone() y=at(20.0)>{text::scrub(&step.name, 20)}</text>
            <text class="soft" x=inside.clone() y=at(38.0)>
                {format!("◐ {} · ● {}", text::count(step.in_flight), text::count(step.succeeded))}
            </text>
            <text class="soft" x=inside.clone() y=at(56.0)>
                {format!("✖ {} · {} retries", text::count(step.failed), text::count(step.retries))}
            </text>
            <text class="soft" x=inside y=at(74.0)>
                {format!("p50 {} · p95 {}", text::millis(step.p50_ms), text::millis(step.p95_ms))}
            </text>
        </g>
    }
    .into_any()
}

fn edge(n: usize, from: &StepSummary, to: &StepSummary, most: u64) -> AnyView {
    let (x1, x2, y) = (left(n) + NODE_W, left(n + 1), PAD + NODE_H / 2.0);
    let share = to.entered as f64 / from.entered.max(1) as f64;
    view! {
        <line
            class="edge done"
            x1=x1.to_string() y1=y.to_string() x2=x2.to_string() y2=y.to_string()
            style:stroke-width=format!("{:.1}px", 1.0 + 9.0 * to.entered as f64 / most as f64)
        ></line>
        <text class="soft" x=((x1 + x2) / 2.0).to_string() y=(y - 12.0).to_string() text-anchor="middle">{text::count(to.entered)}</text>
        <text class="soft" x=((x1 + x2) / 2.0).to_string() y=(y + 22.0).to_string() text-anchor="middle">{text::percent(share)}</text>
    }
    .into_any()
}

fn undo(n: usize, step: &StepSummary, most: u64) -> AnyView {
    let middle = left(n) + NODE_W / 2.0;
    view! {
        <g class="tone-undo">
            <line
                class="edge undo"
                x1=middle.to_string() y1=(PAD + NODE_H).to_string() x2=middle.to_string() y2=UNDO_Y.to_string()
                style:stroke-width=format!("{:.1}px", 1.0 + 9.0 * step.compensated as f64 / most as f64)
            ></line>
            <text class="glyph-mark" x=middle.to_string() y=(UNDO_Y + 22.0).to_string() text-anchor="middle">
                {format!("↩ {} undone", text::count(step.compensated))}
            </text>
        </g>
    }
    .into_any()
}
