//! The one loop: wait for an event, take all that wait with it, draw once.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use sagascope_api::Time;
use sagascope_api::client::Client;
use sagascope_api::client::live::{LiveEvent, watch};
use sagascope_api::live::Topic;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use crate::Options;
use crate::app::{App, Setup};
use crate::effects::Effects;
use crate::event::{Answer, Effect, Event};
use crate::input;
use crate::terminal::{self, Screen, Signals};
use crate::theme::{Environment, Theme};
use crate::view;

/// What the views show. Logs are left out: nothing here shows them.
const TOPICS: [Topic; 12] = [
    Topic::Overview,
    Topic::Faults,
    Topic::Experiments,
    Topic::Services,
    Topic::Breakers,
    Topic::ReadModels,
    Topic::Outboxes,
    Topic::DeadLetters,
    Topic::Invariants,
    Topic::Canaries,
    Topic::Sagas,
    Topic::Traces,
];

/// Frames for what others do are at least this far apart; a person's own keys are drawn at once.
const FRAME_GAP: Duration = Duration::from_millis(100);
/// Ages and countdowns move this often.
const TICK: Duration = Duration::from_secs(1);
/// Events taken in one go before a frame is due.
const DRAIN: usize = 1_000;

/// Runs the dashboard in this terminal until it is left.
///
/// # Errors
/// When there is no terminal ([`NoTerminal`](crate::NoTerminal)), the address is unusable, or the terminal fails.
pub async fn run(options: Options) -> anyhow::Result<()> {
    terminal::check()?;
    let client = Client::new(&options.url, options.token.clone())?;
    let setup = Setup {
        url: client.url().to_owned(),
        read_only: options.read_only,
        has_token: client.has_token(),
        theme: Theme::detect(&Environment::read(), options.ground, options.ascii),
    };
    let signals = Signals::listen().context("cannot listen for signals")?;
    let mut screen = Screen::enter().context("cannot take the terminal")?;
    let (answers, answered) = mpsc::unbounded_channel();
    let effects = Effects::new(client.clone(), answers);
    let mut sources = Sources {
        signals,
        keys: input::listen(),
        live: watch(client, TOPICS.to_vec()),
        answers: answered,
        tick: tick(),
    };
    let mut app = App::new(setup);
    let outcome = follow(&mut app, &mut sources, &mut screen, &effects).await;
    // Leaving says more than the error that made us leave.
    screen.leave().context("cannot give the terminal back")?;
    outcome
}

async fn follow(app: &mut App, sources: &mut Sources, screen: &mut Screen, effects: &Effects) -> anyhow::Result<()> {
    let mut next_frame = Instant::now();
    loop {
        if app.needs_frame() && Instant::now() >= next_frame {
            frame(app, screen, effects)?;
            next_frame = Instant::now() + FRAME_GAP;
        }
        let due = app.needs_frame().then_some(next_frame);
        let Some(first) = sources.next(due).await else {
            continue;
        };
        let mut waiting = Some(first);
        let mut taken = 0;
        while let Some(event) = waiting {
            if matches!(event, Event::Key(_) | Event::Mouse(_) | Event::Paste(_) | Event::Resize) {
                next_frame = Instant::now();
            }
            for effect in app.handle(event, now()) {
                if effect == Effect::Quit {
                    return Ok(());
                }
                effects.perform(effect, screen)?;
            }
            taken += 1;
            waiting = if taken < DRAIN { sources.ready() } else { None };
        }
    }
}

fn frame(app: &mut App, screen: &mut Screen, effects: &Effects) -> anyhow::Result<()> {
    let now = now();
    for effect in app.settle(now) {
        effects.perform(effect, screen)?;
    }
    let mut drawn = None;
    screen.draw(|frame| drawn = Some(view::draw(app, frame, now)))?;
    app.drawn(drawn.unwrap_or_default());
    Ok(())
}

/// Everything that can wake the loop.
struct Sources {
    signals: Signals,
    keys: mpsc::Receiver<Event>,
    live: mpsc::Receiver<LiveEvent>,
    answers: mpsc::UnboundedReceiver<Answer>,
    tick: Interval,
}

impl Sources {
    /// The next event; none when a frame is due first.
    async fn next(&mut self, due: Option<Instant>) -> Option<Event> {
        tokio::select! {
            biased;
            () = self.signals.stop() => Some(Event::Stop),
            key = self.keys.recv() => Some(key.unwrap_or(Event::Stop)),
            Some(answer) = self.answers.recv() => Some(Event::Answer(answer)),
            Some(event) = self.live.recv() => Some(Event::Live(event)),
            _ = self.tick.tick() => Some(Event::Tick),
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => None,
        }
    }

    /// What waits already.
    fn ready(&mut self) -> Option<Event> {
        let key = self.keys.try_recv().ok();
        key.or_else(|| self.answers.try_recv().ok().map(Event::Answer))
            .or_else(|| self.live.try_recv().ok().map(Event::Live))
    }
}

fn tick() -> Interval {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    tick
}

fn now() -> Time {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
}
