//! From a durable request to rows in the head and in the picture.

use bytes::Bytes;
use sagascope_api::Time;
use sagascope_core::projections::Projections;
use sagascope_core::wire::WireError;
use sagascope_store::head::{Head, Sequences};
use sagascope_store::{Position, Signal};

use crate::receive::budget::Share;

/// A request that is in the log, with its part of the intake budget.
pub(crate) struct Durable {
    pub(crate) signal: Signal,
    pub(crate) received_at: Time,
    pub(crate) bytes: Bytes,
    /// Records that its sender is told are stored; `None` when an earlier run told.
    pub(crate) acknowledged: Option<u64>,
    /// Where it lies in the log.
    pub(crate) position: Position,
    /// Given back when this is dropped.
    pub(crate) _share: Option<Share>,
}

/// Reads a request into the head, and the new rows into the picture unless it has them. Answers how many there were.
pub(super) fn fold(
    durable: &Durable,
    head: &mut Head,
    projections: Option<&mut Projections>,
    now: Time,
) -> Result<usize, WireError> {
    let Durable {
        signal,
        received_at,
        bytes,
        ..
    } = durable;
    let rows = match signal {
        Signal::Traces => {
            let (_, rows) = head.take_spans(bytes, *received_at)?;
            if let Some(projections) = projections {
                projections.apply_spans(head.open_spans(), rows.clone(), now);
            }
            rows
        }
        Signal::Logs => {
            let (_, rows) = head.take_logs(bytes, *received_at)?;
            if let Some(projections) = projections {
                projections.apply_logs(head.open_logs(), rows.clone(), now);
            }
            rows
        }
        Signal::Metrics => {
            let (_, rows) = head.take_points(bytes, *received_at)?;
            if let Some(projections) = projections {
                projections.apply_points(head.open_points(), rows.clone(), now);
            }
            rows
        }
    };
    Ok(rows.len())
}

/// Reads a request into the picture alone, since its rows are in segments.
pub(super) fn into_picture(durable: &Durable, projections: &mut Projections, now: Time) -> Result<usize, WireError> {
    let mut head = Head::new(Sequences::default());
    fold(durable, &mut head, Some(projections), now)
}
