//! Commands as the loop applies them to the board; each is answered once it has its effect.

use sagascope_api::faults::{FaultRequest, FaultStatus, Traffic};
use sagascope_conventions::action::{Action, ActionReport};
use sagascope_conventions::fault::{FaultAcknowledgement, FaultCommand, FaultRegistration};
use tokio::sync::{mpsc, oneshot};

use super::board::Instance;
use super::orders::Given;
use crate::app;
use crate::pipeline::Pipeline;
use crate::problem::{Answer, Refusal};

/// Commands that may wait in one service's stream.
const STREAM: usize = 64;

type Reply<T> = oneshot::Sender<Answer<T>>;

/// What control asks of the loop.
pub(crate) enum Command {
    /// Arm a fault.
    Arm(FaultRequest, Reply<FaultStatus>),
    /// End one.
    Clear(String, Reply<FaultStatus>),
    /// End all.
    ClearAll(Reply<Vec<FaultStatus>>),
    /// A process tells what it can honour.
    Register(FaultRegistration, Reply<()>),
    /// A process opens its stream.
    Connect(Instance, Reply<mpsc::Receiver<FaultCommand>>),
    /// A process tells what it did.
    Acknowledge(FaultAcknowledgement, Reply<()>),
    /// Have a service do something.
    Act(String, Action, Reply<Given>),
    /// A process tells what came of it.
    Report(ActionReport, Reply<()>),
    /// Another rate of orders.
    Traffic(Traffic, Reply<Traffic>),
}

impl Pipeline {
    pub(crate) fn command(&mut self, command: Command) {
        let overview = matches!(
            command,
            Command::Arm(..) | Command::Clear(..) | Command::ClearAll(_) | Command::Traffic(..)
        );
        self.apply(command);
        let deliveries = self.app.write().board.take_deliveries();
        self.deliver(deliveries);
        self.publish_faults();
        if overview {
            self.publish_overview();
        }
    }

    /// Whoever asked may have gone meanwhile; the effect stands, and nobody waits for the answer.
    fn apply(&mut self, command: Command) {
        let (now, elapsed) = (app::now(), self.app.started.elapsed());
        let app = std::sync::Arc::clone(&self.app);
        let mut world = app.write();
        let board = &mut world.board;
        match command {
            Command::Arm(request, reply) => {
                let _ = reply.send(random_id("f").and_then(|id| board.arm(id, request, now, elapsed)));
            }
            Command::Clear(id, reply) => {
                let _ = reply.send(board.clear(&id, now).ok_or_else(|| Refusal::unknown("fault", &id)));
            }
            Command::ClearAll(reply) => {
                let _ = reply.send(Ok(board.clear_all(now)));
            }
            Command::Register(registration, reply) => {
                let _ = reply.send(board.register(registration));
            }
            Command::Connect(instance, reply) => {
                let connected = board.connect(instance.clone(), elapsed);
                let _ = reply.send(if connected {
                    let (sender, receiver) = mpsc::channel(STREAM);
                    self.streams.insert(instance, sender);
                    Ok(receiver)
                } else {
                    Err(Refusal::new(
                        http::StatusCode::CONFLICT,
                        "not_registered",
                        "Not registered",
                        "POST /api/v1/faults/register first.",
                    ))
                });
            }
            Command::Acknowledge(acknowledgement, reply) => {
                let known = board.acknowledge(&acknowledgement);
                let _ = reply.send(if known {
                    Ok(())
                } else {
                    Err(Refusal::unknown("fault", &acknowledgement.id))
                });
            }
            Command::Act(service, action, reply) => {
                let given = random_id("a").and_then(|id| self.orders.give(id, &service, &action, &self.streams));
                let _ = reply.send(given);
            }
            Command::Report(report, reply) => {
                let id = report.id.clone();
                let _ = reply.send(if self.orders.report(report) {
                    Ok(())
                } else {
                    Err(Refusal::unknown("action", &id))
                });
            }
            Command::Traffic(wanted, reply) => {
                let _ = reply.send(board.set_traffic(wanted).ok_or_else(no_demo));
            }
        }
    }
}

/// 404 without a demo.
pub(crate) fn no_demo() -> Refusal {
    Refusal::new(
        http::StatusCode::NOT_FOUND,
        "no_demo",
        "No demo",
        "No demo cluster runs beside this collector.",
    )
}

/// Made up for one thing of a kind.
pub(crate) fn random_id(kind: &str) -> Answer<String> {
    let mut bytes = [0; 6];
    getrandom::fill(&mut bytes).map_err(|error| Refusal::unavailable(&format!("No random numbers: {error}.")))?;
    Ok(bytes
        .iter()
        .fold(format!("{kind}-"), |id, byte| format!("{id}{byte:02x}")))
}
