//! Server-sent events out of bytes, as they come, within a bound.

/// Longest event read; a snapshot of everything held is far below.
const EVENT_LIMIT_BYTES: usize = 64 << 20;

/// More came without an end than any event may hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Joins chunks into lines, and lines into the data of events. Names, ids and retry times are not needed: every
/// message carries its own id.
#[derive(Default)]
pub(super) struct Decoder {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    after_cr: bool,
}

impl Decoder {
    /// Takes a chunk, and hands each event that it completes to `event`.
    pub(super) fn push(&mut self, chunk: &[u8], mut event: impl FnMut(&[u8])) -> Result<(), TooLong> {
        let mut rest = chunk;
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (head, tail) = (&rest[..end], &rest[end + 1..]);
            let second_half_of_crlf = self.after_cr && rest[end] == b'\n' && end == 0 && self.line.is_empty();
            self.after_cr = rest[end] == b'\r';
            rest = tail;
            if second_half_of_crlf {
                continue;
            }
            self.line.extend_from_slice(head);
            self.end_line(&mut event);
        }
        if !rest.is_empty() {
            self.after_cr = false;
        }
        self.line.extend_from_slice(rest);
        if self.line.len() + self.data.len() > EVENT_LIMIT_BYTES {
            return Err(TooLong);
        }
        Ok(())
    }

    fn end_line(&mut self, event: &mut impl FnMut(&[u8])) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            if std::mem::take(&mut self.has_data) {
                event(&self.data);
            }
            self.data.clear();
        } else if let Some(value) = line.strip_prefix(b"data:") {
            if std::mem::replace(&mut self.has_data, true) {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(chunks: &[&str]) -> Vec<String> {
        let mut decoder = Decoder::default();
        let mut all = Vec::new();
        for chunk in chunks {
            decoder
                .push(chunk.as_bytes(), |data| {
                    all.push(String::from_utf8_lossy(data).into_owned());
                })
                .unwrap();
        }
        all
    }

    #[test]
    fn events_are_read_however_they_are_cut() {
        let stream = "id: 1\ndata: one\n\n: keep-alive\n\ndata:two\r\ndata: more\r\n\r\nevent: x\n\ndata: half";
        let whole = events(&[stream]);
        assert_eq!(whole, ["one", "two\nmore"]);
        for cut in 0..stream.len() {
            let (a, b) = stream.split_at(cut);
            assert_eq!(events(&[a, b]), whole, "cut at {cut}");
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut decoder = Decoder::default();
        let chunk = vec![b'x'; 8 << 20];
        let outcome = (0..9).try_for_each(|_| decoder.push(&chunk, |_| {}));
        assert_eq!(outcome, Err(TooLong));
    }
}
