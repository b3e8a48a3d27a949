//! The picture as bytes and back, so that a restart need not fold everything again.
//!
//! What follows from the rest (rows, what was last handed out) is left out and drawn anew. The bytes are for the same
//! version of the program alone: whoever cannot read them folds the telemetry again.

use sagascope_api::Time;

use super::{Limits, Projections};

/// Rises with every change of what the projections keep.
const VERSION: u32 = 5;
const HEADER: usize = 8;

/// Why bytes are no picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Written by another version of the program.
    #[error("the picture is of another version of the program")]
    Version,
    /// Cut off or changed.
    #[error("the picture is damaged")]
    Damaged,
}

impl Projections {
    /// The picture as bytes.
    #[must_use]
    pub fn to_snapshot(&self) -> Vec<u8> {
        let bytes = vec![0; HEADER];
        // Writing to memory what has derived its form does not fail; were it to, the bytes would not be taken for a picture.
        let mut bytes = postcard::to_extend(self, bytes).unwrap_or_default();
        if bytes.len() >= HEADER {
            let crc = crc32fast::hash(&bytes[HEADER..]);
            bytes[..4].copy_from_slice(&VERSION.to_le_bytes());
            bytes[4..HEADER].copy_from_slice(&crc.to_le_bytes());
        }
        bytes
    }

    /// The picture that the bytes hold, with these bounds from now on.
    ///
    /// # Errors
    /// When they are of another version, or damaged.
    pub fn from_snapshot(bytes: &[u8], limits: Limits, now: Time) -> Result<Self, SnapshotError> {
        let (header, body) = bytes.split_at_checked(HEADER).ok_or(SnapshotError::Damaged)?;
        let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|n| header[at + n]));
        if word(0) != VERSION {
            return Err(SnapshotError::Version);
        }
        if word(4) != crc32fast::hash(body) {
            return Err(SnapshotError::Damaged);
        }
        let mut projections: Self = postcard::from_bytes(body).map_err(|_| SnapshotError::Damaged)?;
        projections.services.restored(limits.services);
        projections.map.restored(limits.entities);
        projections.sagas.restored(limits.sagas, &mut projections.names, now);
        projections.breakers.restored(limits.entities);
        projections.read_models.restored(limits.entities);
        projections.outboxes.restored(limits.entities);
        projections.dead_letters.restored(limits.entities);
        projections.invariants.restored(limits.entities);
        projections.canaries.restored(limits.entities);
        projections.traces.restored(limits.traces, &mut projections.names);
        Ok(projections)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projections::tests::{drawn, story};
    use crate::testing::at;

    #[test]
    fn a_picture_comes_back_and_goes_on_as_if_nothing_had_been() {
        let batches = story();
        for cut in 0..=batches.len() {
            let mut whole = Projections::default();
            let mut halves = Projections::default();
            for (n, batch) in batches.iter().enumerate() {
                if n == cut {
                    let bytes = halves.to_snapshot();
                    halves = Projections::from_snapshot(&bytes, Limits::default(), at(10.0)).unwrap();
                }
                whole.apply(batch, batch.received_at);
                halves.apply(batch, batch.received_at);
            }
            for picture in [&mut whole, &mut halves] {
                picture.tick(at(10.0));
            }
            assert_eq!(drawn(&whole, at(10.0)), drawn(&halves, at(10.0)), "cut at {cut}");
        }
    }

    #[test]
    fn bytes_that_were_changed_are_no_picture() {
        let bytes = Projections::default().to_snapshot();
        let read = |bytes: &[u8]| Projections::from_snapshot(bytes, Limits::default(), Time(0)).err();
        assert_eq!(read(&bytes), None);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(read(&changed).is_some(), "changed {at}");
            assert!(read(&bytes[..at]).is_some(), "cut {at}");
        }
    }
}
