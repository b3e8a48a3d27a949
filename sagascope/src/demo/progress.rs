//! What the supervisor says: on the terminal while that is free, and always in `logs/supervisor.log`.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use super::keeper::News;
use super::log::ChildLog;
use crate::cli::ProfileName;

/// A process that failed this often in a row gets its last words printed.
const WORRYING_LIVES: u32 = 3;

/// The supervisor's voice.
pub(crate) struct Progress {
    began: Instant,
    log: ChildLog,
    logs: String,
    muted: bool,
}

impl Progress {
    pub(crate) fn new(began: Instant, logs: &Path) -> Self {
        Self {
            began,
            log: ChildLog::open(logs, "supervisor"),
            logs: logs.display().to_string(),
            muted: false,
        }
    }

    /// The first line.
    pub(crate) fn opening(&mut self, profile: &ProfileName, data_dir: &str) {
        self.say(&format!(
            "Sagascope {} · {} profile · data in {data_dir}",
            env!("CARGO_PKG_VERSION"),
            profile.as_str()
        ));
    }

    /// What became of a process.
    pub(crate) fn tell(&mut self, news: &News) {
        match news {
            News::Ready { name, restarts: 0 } => {
                let seconds = self.began.elapsed().as_secs_f64();
                self.say(&format!("  ● {name:<14} ready after {seconds:.1} s"));
            }
            News::Ready { name, restarts } => self.say(&format!("  ● {name:<14} ready again, restart {restarts}")),
            News::Ended {
                name,
                how,
                short_lives,
                tail,
                again_in,
                ..
            } => {
                self.say(&format!(
                    "  ✖ {name:<14} {how}; starts again in {:.2} s",
                    again_in.as_secs_f64()
                ));
                if *short_lives == WORRYING_LIVES {
                    self.last_words(name, tail);
                }
            }
        }
    }

    /// All is up: where to look.
    pub(crate) fn up(&mut self, web: &str, token: &str, base: u16) {
        let seconds = self.began.elapsed().as_secs_f64();
        let text = [
            format!("Everything is up after {seconds:.1} s."),
            format!("  Web     {web}"),
            format!("  Log in  {web}/login?token={token}"),
            format!(
                "  OTLP    gRPC http://127.0.0.1:{base} · HTTP http://127.0.0.1:{}",
                base + 1
            ),
            format!("  Logs    {}", self.logs),
            "  Ctrl-C stops everything.".to_owned(),
        ];
        // The link carries the token: on the terminal, not in the log.
        self.print(&text.join("\n"));
    }

    pub(crate) fn closing(&mut self) {
        self.say("Stopping …");
    }

    pub(crate) fn closed(&mut self) {
        self.say("Stopped. Start again to go on from the same data.");
    }

    /// The dashboard has the terminal now.
    pub(crate) const fn mute(&mut self) {
        self.muted = true;
    }

    /// The terminal is free again.
    pub(crate) const fn unmute(&mut self) {
        self.muted = false;
    }

    fn last_words(&mut self, name: &str, tail: &[String]) {
        self.say(&format!(
            "    {name} does not stay up. Its last lines ({}/{name}.log):",
            self.logs
        ));
        for line in tail {
            self.say(&format!("      {}", sagascope_api::text::scrub(line, 400)));
        }
    }

    fn say(&mut self, line: &str) {
        self.log.write_line(line.as_bytes());
        self.print(line);
    }

    fn print(&self, text: &str) {
        if !self.muted {
            // A terminal that went away must not end the demo before its children are stopped.
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }
}
