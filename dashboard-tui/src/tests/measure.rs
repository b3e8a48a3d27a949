//! What a frame costs with ten thousand sagas. Run it in release:
//! `cargo test --release -p sagascope-tui -- --ignored --nocapture frame_cost`.

use std::time::Instant;

use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use sagascope_api::Time;
use sagascope_api::live::Rows;
use sagascope_api::sagas::Saga;
use sagascope_conventions::SagaState;

use super::fixture::{self, NOW};
use super::hand::Hand;

const SAGAS: u64 = 10_000;
const FRAMES: usize = 200;

fn many() -> Vec<Saga> {
    let saga = |n: u64| Saga {
        id: format!("{n:08x}-7e57-4a11-9c3d-{n:012x}"),
        state: if n.is_multiple_of(200) {
            SagaState::Running
        } else {
            SagaState::Completed
        },
        stuck: n.is_multiple_of(2_000),
        started_at: Time(NOW.0 - n * 50_000_000),
        ended_at: (!n.is_multiple_of(200)).then_some(NOW),
        ..fixture::stuck_saga()
    };
    (0..SAGAS).map(saga).collect()
}

#[test]
#[ignore = "measures, judges nothing; meant for release builds"]
fn frame_cost() {
    for (view, keys) in [
        ("overview", "1"),
        ("sagas", "2"),
        ("sagas filtered", "2/step:ship"),
        ("traces", "3"),
        ("breakers", "5"),
        ("read models", "6"),
        ("chaos", "9"),
    ] {
        let mut hand = Hand::in_trouble();
        hand.hear(Rows::Sagas(many()));
        hand.keys(keys);
        // The backend that people have, into nothing: with its diff and its escape sequences.
        let size = Viewport::Fixed(Rect::new(0, 0, 160, 50));
        let backend = CrosstermBackend::new(std::io::sink());
        let mut terminal = Terminal::with_options(backend, TerminalOptions { viewport: size }).unwrap();
        let mut times: Vec<u128> = (0..FRAMES)
            .map(|_| {
                // Every frame shows a later second, so that ages change on the screen.
                hand.now.0 += 1_000_000_000;
                let start = Instant::now();
                hand.frame(&mut terminal);
                start.elapsed().as_micros()
            })
            .collect();
        times.sort_unstable();
        println!(
            "{view}: median {} µs, p99 {} µs",
            times[FRAMES / 2],
            times[FRAMES * 99 / 100]
        );
    }
}
