//! Keys, mouse and size of the terminal, read on a thread of their own: the terminal has no async reader.

use std::time::Duration;

use crossterm::event::{self, Event as Heard};
use tokio::sync::mpsc;

use crate::event::Event;

/// Keys typed ahead of a busy screen.
const QUEUE: usize = 256;
/// How soon the thread notices that nobody listens any more.
const PATIENCE: Duration = Duration::from_millis(250);

/// Starts the thread; it ends with the receiver, and the channel closes when the terminal is gone.
pub(crate) fn listen() -> mpsc::Receiver<Event> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    std::thread::spawn(move || {
        while !sender.is_closed() {
            let heard = match event::poll(PATIENCE) {
                Ok(false) => continue,
                Ok(true) => event::read(),
                Err(error) => Err(error),
            };
            let Ok(heard) = heard else { break };
            let event = match heard {
                Heard::Key(key) => Event::Key(key),
                Heard::Mouse(mouse) => Event::Mouse(mouse),
                Heard::Paste(text) => Event::Paste(text),
                Heard::Resize(..) => Event::Resize,
                Heard::FocusGained | Heard::FocusLost => continue,
            };
            if sender.blocking_send(event).is_err() {
                break;
            }
        }
    });
    receiver
}
