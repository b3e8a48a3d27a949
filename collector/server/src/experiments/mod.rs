//! The lab's experiments: what there is, the one that runs, and how the earlier ones went.
//!
//! [`desk`] is the pure part; [`keep`] writes runs to disk; [`http`] is the rim. Whoever starts the collector says how an
//! experiment is run, see [`Laboratory`]; a collector that runs alone has none.

mod desk;
pub(crate) mod http;
mod keep;
mod laboratory;

pub use laboratory::{Laboratory, Measured, Order, Work};

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sagascope_api::experiments::{Experiment, ExperimentRun, Experiments as List, RunRequest, RunState};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::app;
use crate::problem::{Answer, Refusal};
use desk::{Desk, Outcome};
use keep::Keep;

/// Lines of progress that may wait.
const LINES: usize = 64;
/// Longest run.
const RUN_TIME: Duration = Duration::from_secs(45 * 60);
/// A run that was told to end has this long to clean up.
const LEAVES_WITHIN: Duration = Duration::from_secs(5);
/// Whoever cancels waits this long for the end; clients wait a little longer for an answer.
const CANCELLED_WITHIN: Duration = Duration::from_secs(8);
/// The same as the time to clean up, while the collector stops, which its own supervisor does not wait for longer.
const LEAVES_AT_STOP_WITHIN: Duration = Duration::from_millis(1_200);

/// Experiments of one collector.
pub(crate) struct Experiments {
    lab: Option<Arc<dyn Laboratory>>,
    keep: Keep,
    bench: Mutex<Bench>,
}

struct Bench {
    desk: Desk,
    running: Option<Running>,
}

/// The run that goes on.
struct Running {
    id: String,
    end: watch::Sender<Option<End>>,
    task: JoinHandle<()>,
}

/// Why a run is to end before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Cancelled,
    Stopping,
    TooLong,
}

impl Experiments {
    /// Reads the runs that were kept. Call it once the folder is ours.
    pub(crate) fn open(lab: Option<Arc<dyn Laboratory>>, data_dir: &Path) -> Self {
        let keep = Keep::new(data_dir.join("experiments"));
        let desk = match &lab {
            Some(lab) => {
                lab.tidy();
                Desk::new(lab.scenarios(), keep.read())
            }
            None => Desk::new(Vec::new(), Vec::new()),
        };
        Self {
            lab,
            keep,
            bench: Mutex::new(Bench { desk, running: None }),
        }
    }

    /// Every experiment with its newest run.
    pub(crate) fn rows(&self) -> Vec<Experiment> {
        self.bench().desk.rows()
    }

    /// Those that changed since the last call.
    pub(crate) fn take_changes(&self) -> Vec<Experiment> {
        self.bench().desk.take_changes()
    }

    fn list(&self) -> List {
        let unavailable = self.lab.is_none().then(|| NO_LAB.to_owned());
        let bench = self.bench();
        List {
            items: bench.desk.rows(),
            runs: bench.desk.runs(),
            unavailable,
        }
    }

    fn run(&self, id: &str) -> Answer<ExperimentRun> {
        self.bench().desk.run(id).ok_or_else(|| unknown_run(id))
    }

    /// Starts a run; the answer comes at once.
    fn start(
        self: &Arc<Self>,
        name: &str,
        request: RunRequest,
        stopping: watch::Receiver<bool>,
    ) -> Answer<ExperimentRun> {
        let lab = self.lab.clone().ok_or_else(no_lab)?;
        let id = crate::control::command::random_id("e")?;
        let mut bench = self.bench();
        if let Some(gone) = bench.running.take_if(|running| running.task.is_finished()) {
            // It panicked, or it would have said so itself.
            bench
                .desk
                .end(&gone.id, Outcome::error("It broke off without a word."), app::now());
        }
        let run = bench.desk.begin(name, request, &id, app::now())?;
        let order = Order {
            id: id.clone(),
            name: name.to_owned(),
            request,
        };
        let (end, ended) = watch::channel(None);
        let conduct = Arc::clone(self).conduct(lab, order, run.clone(), Ends { ended, stopping });
        bench.running = Some(Running {
            id,
            end,
            task: tokio::spawn(conduct),
        });
        Ok(run)
    }

    /// Has the run end, and waits until it has, at most for a while.
    async fn cancel(&self, id: &str) -> Answer<ExperimentRun> {
        if self.run(id)?.summary.state != RunState::Running {
            return Err(already_ended(id));
        }
        let end = {
            let bench = self.bench();
            let running = bench.running.as_ref().filter(|running| running.id == id);
            running.ok_or_else(|| already_ended(id))?.end.clone()
        };
        end.send_replace(Some(End::Cancelled));
        // The other end goes with the task. Should that take long, the answer shows the run as it stands.
        let _ = timeout(CANCELLED_WITHIN, end.closed()).await;
        self.run(id)
    }

    /// Waits for the run that the collector's stop ends.
    pub(crate) async fn stopped(&self) {
        let running = self.bench().running.take();
        if let Some(running) = running {
            let _ = running.task.await;
        }
    }

    /// Drops a run, and with it what it started.
    pub(crate) fn abort(&self) {
        if let Some(running) = self.bench().running.take() {
            running.task.abort();
        }
    }

    /// One run from its start to its end.
    async fn conduct(self: Arc<Self>, lab: Arc<dyn Laboratory>, order: Order, begun: ExperimentRun, mut ends: Ends) {
        let id = order.id.clone();
        self.keep(begun).await;
        let (tell, mut told) = mpsc::channel(LINES);
        let (cancel, cancelled) = watch::channel(false);
        let mut work = lab.run(order, tell, cancelled);
        let late = Instant::now() + RUN_TIME;
        let outcome = loop {
            tokio::select! {
                Some(line) = told.recv() => self.bench().desk.tell(&id, &line, app::now()),
                outcome = &mut work => break Outcome::of(outcome),
                why = ends.any(late) => {
                    cancel.send_replace(true);
                    let patience = if why == End::Stopping { LEAVES_AT_STOP_WITHIN } else { LEAVES_WITHIN };
                    let leave = async {
                        loop {
                            tokio::select! {
                                // A full queue must not keep it from leaving.
                                Some(line) = told.recv() => self.bench().desk.tell(&id, &line, app::now()),
                                _ = &mut work => return,
                            }
                        }
                    };
                    // What does not leave is dropped, and ends with that.
                    let _ = timeout(patience, leave).await;
                    break Outcome::ended(why);
                }
            }
        };
        drop(work);
        while let Ok(line) = told.try_recv() {
            self.bench().desk.tell(&id, &line, app::now());
        }
        let ended = self.bench().desk.end(&id, outcome, app::now());
        if let Some((run, forgotten)) = ended {
            self.keep(run).await;
            self.forget(forgotten).await;
        }
        let mut bench = self.bench();
        bench.running.take_if(|running| running.id == id);
    }

    async fn keep(self: &Arc<Self>, run: ExperimentRun) {
        let this = Arc::clone(self);
        // A run that cannot be kept is a run all the same.
        let _ = tokio::task::spawn_blocking(move || this.keep.write(&run)).await;
    }

    async fn forget(self: &Arc<Self>, ids: Vec<String>) {
        let this = Arc::clone(self);
        let _ = tokio::task::spawn_blocking(move || ids.iter().for_each(|id| this.keep.remove(id))).await;
    }

    fn bench(&self) -> MutexGuard<'_, Bench> {
        self.bench.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What ends a run from outside.
struct Ends {
    ended: watch::Receiver<Option<End>>,
    stopping: watch::Receiver<bool>,
}

impl Ends {
    async fn any(&mut self, late: Instant) -> End {
        tokio::select! {
            Ok(why) = self.ended.wait_for(Option::is_some) => why.unwrap_or(End::Cancelled),
            () = app::stopped(&mut self.stopping) => End::Stopping,
            () = sleep_until(late) => End::TooLong,
        }
    }
}

const NO_LAB: &str = "This collector runs alone and has no shop to experiment with. Run `sagascope lab NAME` in a terminal, or start \
                      `sagascope demo` and ask there.";

fn no_lab() -> Refusal {
    Refusal::new(::http::StatusCode::NOT_IMPLEMENTED, "no_lab", "No lab", NO_LAB)
}

fn unknown_run(id: &str) -> Refusal {
    let id: String = id.chars().take(100).collect();
    Refusal::new(
        ::http::StatusCode::NOT_FOUND,
        "unknown_run",
        "Not found",
        format!("There is no run `{id}`; GET /api/v1/experiments lists those that are kept."),
    )
}

fn already_ended(id: &str) -> Refusal {
    Refusal::new(
        ::http::StatusCode::CONFLICT,
        "already_ended",
        "It has ended",
        format!("The run `{id}` has ended already; there is nothing to cancel."),
    )
}
