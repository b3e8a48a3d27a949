//! A pseudo-terminal with a program in it, and the screen as a person would see it.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use super::binary;

const SEEN_WITHIN: Duration = Duration::from_secs(60);
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// A running program and its terminal.
pub(crate) struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    screen: Arc<Mutex<vt100::Parser>>,
    reader: Option<JoinHandle<()>>,
}

impl Terminal {
    /// Runs `sagascope` with these arguments in a terminal of this size.
    pub(crate) fn run(arguments: &[&str], folder: &Path, columns: u16, rows: u16) -> Self {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pty = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(binary());
        command.args(arguments);
        command.cwd(folder);
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env_remove("NO_COLOR");
        let child = pty.slave.spawn_command(command).expect("the binary starts");
        drop(pty.slave);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(some(rows), some(columns), 0)));
        let reader = follow(pty.master.try_clone_reader().expect("a reader"), Arc::clone(&screen));
        let keys = pty.master.take_writer().expect("a writer");
        Self {
            child,
            master: pty.master,
            keys,
            screen,
            reader: Some(reader),
        }
    }

    /// Types.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keys
            .write_all(keys.as_bytes())
            .and_then(|()| self.keys.flush())
            .expect("the terminal takes keys");
    }

    /// Makes the window another size.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.screen
            .lock()
            .expect("reader lives")
            .screen_mut()
            .set_size(some(rows), some(columns));
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        self.master.resize(size).expect("the terminal resizes");
    }

    /// The text on the screen.
    pub(crate) fn text(&self) -> String {
        self.screen.lock().expect("reader lives").screen().contents()
    }

    /// Waits until the screen shows all of these.
    pub(crate) async fn shows(&self, words: &[&str]) {
        let deadline = Instant::now() + SEEN_WITHIN;
        loop {
            let text = self.text();
            let Some(missing) = words.iter().find(|word| !text.contains(**word)) else {
                return;
            };
            assert!(Instant::now() < deadline, "{missing:?} is not on the screen:\n{text}");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Waits until the screen does not show this any more.
    pub(crate) async fn hides(&self, word: &str) {
        let deadline = Instant::now() + SEEN_WITHIN;
        loop {
            let text = self.text();
            if !text.contains(word) {
                return;
            }
            assert!(Instant::now() < deadline, "{word:?} is still on the screen:\n{text}");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// The process in the terminal.
    pub(crate) fn pid(&self) -> u32 {
        self.child.process_id().expect("it has started")
    }

    /// Waits for the end and gives the exit code.
    pub(crate) async fn ended(&mut self) -> u32 {
        let deadline = Instant::now() + GONE_WITHIN;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return status.exit_code();
            }
            assert!(Instant::now() < deadline, "it did not end:\n{}", self.text());
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Checks, after the end, that the terminal is as it was before.
    pub(crate) fn assert_restored(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader ends with the program");
        }
        let parser = self.screen.lock().expect("reader ended well");
        let screen = parser.screen();
        assert!(!screen.alternate_screen(), "it left the alternate screen");
        assert!(!screen.hide_cursor(), "the cursor is back");
        assert!(!screen.bracketed_paste(), "pasting is plain again");
        assert_eq!(
            screen.mouse_protocol_mode(),
            vt100::MouseProtocolMode::None,
            "the mouse is released"
        );
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn some(length: u16) -> NonZeroU16 {
    NonZeroU16::new(length).expect("a terminal has rows and columns")
}

fn follow(mut from: Box<dyn Read + Send>, screen: Arc<Mutex<vt100::Parser>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut bytes = [0_u8; 8 << 10];
        // At the end of the program the kernel answers with an error rather than with nothing.
        while let Ok(read @ 1..) = from.read(&mut bytes) {
            screen
                .lock()
                .expect("tests do not panic while looking")
                .process(&bytes[..read]);
        }
    })
}
