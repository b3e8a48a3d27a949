//! Effects performed: questions to the collector in tasks, the rest on the terminal at once.

use std::process::{Command, Stdio};
use std::sync::Arc;

use sagascope_api::client::{Client, SearchQuery};
use sagascope_api::experiments::RunRequest;
use tokio::sync::{Semaphore, mpsc};

use crate::event::{Answer, Effect, Question};
use crate::terminal::Screen;

/// Questions under way at once; look-ups keep to one each, so this only bounds a person's commands.
const QUESTIONS: usize = 16;
/// Traces asked for in a search.
const TRACES: usize = 500;

/// The world outside.
pub(crate) struct Effects {
    client: Client,
    answers: mpsc::UnboundedSender<Answer>,
    room: Arc<Semaphore>,
}

impl Effects {
    pub(crate) fn new(client: Client, answers: mpsc::UnboundedSender<Answer>) -> Self {
        Self {
            client,
            answers,
            room: Arc::new(Semaphore::new(QUESTIONS)),
        }
    }

    /// Does it; an answer, if there is one, comes as an event.
    pub(crate) fn perform(&self, effect: Effect, screen: &mut Screen) -> std::io::Result<()> {
        match effect {
            Effect::Ask(question) => self.ask(question),
            Effect::Copy(text) => screen.copy(&text)?,
            Effect::Browse(address) => self.browse(&address, screen)?,
            Effect::CaptureMouse(capture) => screen.capture_mouse(capture)?,
            // The loop ends by itself on this.
            Effect::Quit => {}
        }
        Ok(())
    }

    fn ask(&self, question: Question) {
        let client = self.client.clone();
        let answers = self.answers.clone();
        let room = Arc::clone(&self.room);
        tokio::spawn(async move {
            // Never closed, so this only waits.
            let _room = room.acquire().await;
            let answer = answer(&client, question).await;
            // The loop may have ended meanwhile; then nobody wants to know.
            let _ = answers.send(answer);
        });
    }

    /// Opens the browser where there is one to be seen; the address is told and copied in any case.
    fn browse(&self, address: &str, screen: &mut Screen) -> std::io::Result<()> {
        screen.copy(address)?;
        let told = match open(address) {
            true => format!("opened {address}"),
            false => format!("copied {address}"),
        };
        let _ = self.answers.send(Answer::Told(told));
        Ok(())
    }
}

/// Starts the system's opener, if there is a display; its output would spoil the screen.
fn open(address: &str) -> bool {
    let display = ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    let opener = match std::env::consts::OS {
        "macos" => "open",
        _ if display => "xdg-open",
        _ => return false,
    };
    let started = Command::new(opener)
        .arg(address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = started else {
        return false;
    };
    // Waited for, so that it does not stay behind as a zombie.
    std::thread::spawn(move || child.wait());
    true
}

async fn answer(client: &Client, question: Question) -> Answer {
    match question {
        Question::Saga(key) => {
            let reply = client.saga(&key.id, Some(&key.name)).await;
            Answer::Saga(key, reply.map(Box::new))
        }
        Question::SagaType(name) => {
            let reply = client.saga_type(&name).await;
            Answer::SagaType(name, reply.map(Box::new))
        }
        Question::Trace(id) => {
            let reply = client.trace(&id).await;
            Answer::Trace(id, reply.map(Box::new))
        }
        Question::Traces(q) => {
            let query = SearchQuery {
                q: Some(q.clone()),
                limit: Some(TRACES),
                ..SearchQuery::default()
            };
            let reply = client.traces(&query).await;
            Answer::Traces(q, reply.map(|page| page.items))
        }
        Question::Explain(id) => {
            let reply = client.explain(&id).await;
            Answer::Explain(id, reply.map(Box::new))
        }
        Question::Catalogue => Answer::Catalogue(client.fault_catalogue().await.map(|page| page.items)),
        Question::Arm(request) => Answer::Armed(client.arm(&request).await.map(Box::new)),
        Question::Clear(id) => Answer::Cleared(client.clear(&id).await),
        Question::ClearAll => Answer::Cleared(client.clear_all().await),
        Question::Letters(action, letters) => Answer::Acted(client.settle_letters(action, &letters).await),
        Question::Rebuild(service, name) => Answer::Acted(client.rebuild(&service, &name).await),
        Question::Act(action, key) => Answer::Acted(client.act_on_saga(action, &key.id, Some(&key.name)).await),
        Question::Run(name) => {
            let reply = client.run_experiment(&name, &RunRequest::default()).await;
            Answer::Begun(reply.map(Box::new))
        }
        Question::EndRun(id) => Answer::RunEnded(client.cancel_run(&id).await),
        Question::Traffic(traffic) => Answer::Traffic(client.set_traffic(traffic).await),
    }
}
