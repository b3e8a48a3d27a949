//! Server-sent events, as far as the fault stream uses them: the `data` of each event.

/// Longest event taken; a longer one ends the stream.
const MAX_EVENT: usize = 256 * 1024;

/// Puts chunks of a stream together.
#[derive(Debug, Default)]
pub(super) struct Events {
    pending: Vec<u8>,
    data: String,
}

/// An event was longer than we are ready to keep.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is longer than {MAX_EVENT} bytes")]
pub(super) struct TooLong;

impl Events {
    /// Takes a chunk; answers the data of every event that it ends.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<Vec<String>, TooLong> {
        let mut ended = Vec::new();
        for line in chunk.split_inclusive(|&byte| byte == b'\n') {
            if self.pending.len() + self.data.len() + line.len() > MAX_EVENT {
                return Err(TooLong);
            }
            self.pending.extend_from_slice(line);
            if line.ends_with(b"\n") {
                let line = std::mem::take(&mut self.pending);
                self.line(
                    String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']),
                    &mut ended,
                );
            }
        }
        Ok(ended)
    }

    fn line(&mut self, line: &str, ended: &mut Vec<String>) {
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            ended.extend(Some(data).filter(|data| !data.is_empty()));
        } else if let Some(data) = line.strip_prefix("data:") {
            if !self.data.is_empty() {
                self.data.push('\n');
            }
            self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_whole_however_the_bytes_are_cut() {
        let stream = ": hello\r\n\r\ndata: {\"a\":\ndata: 1}\nid: 7\n\n\n: keep-alive\n\ndata:{}\n\ndata: torn";
        for cut in 1..stream.len() {
            let mut events = Events::default();
            let mut all = events.push(&stream.as_bytes()[..cut]).unwrap();
            all.extend(events.push(&stream.as_bytes()[cut..]).unwrap());
            assert_eq!(all, ["{\"a\":\n1}", "{}"], "cut at {cut}");
        }
    }

    #[test]
    fn an_endless_event_is_given_up() {
        let mut events = Events::default();
        let line = format!("data: {}\n", "x".repeat(1_000));
        let refused = (0..1_000).find_map(|_| events.push(line.as_bytes()).err());
        assert_eq!(refused, Some(TooLong));
    }
}
