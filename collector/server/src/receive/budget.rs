//! One budget of bytes for all requests under way, from socket to projection.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes are counted in blocks of this size, since a semaphore counts up to 2³².
const BLOCK: usize = 4 << 10;

/// Shared by all receivers.
#[derive(Clone)]
pub(crate) struct Budget {
    blocks: Arc<Semaphore>,
}

/// The budget is used up; the sender should come again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            blocks: Arc::new(Semaphore::new(bytes / BLOCK)),
        }
    }

    /// Nothing yet.
    pub(crate) fn share(&self) -> Share {
        Share {
            budget: self.clone(),
            permit: None,
            used: 0,
        }
    }

    /// Bytes left.
    pub(crate) fn left(&self) -> usize {
        self.blocks.available_permits() * BLOCK
    }
}

/// One request's part of the budget; given back when dropped.
pub(crate) struct Share {
    budget: Budget,
    permit: Option<OwnedSemaphorePermit>,
    used: usize,
}

impl Share {
    /// Takes `bytes` more.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.used += bytes;
        let held = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let wanted = self.used.div_ceil(BLOCK).saturating_sub(held);
        if wanted == 0 {
            return Ok(());
        }
        let wanted = u32::try_from(wanted).map_err(|_| Exhausted)?;
        let more = Arc::clone(&self.budget.blocks)
            .try_acquire_many_owned(wanted)
            .map_err(|_| Exhausted)?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_come_back() {
        let budget = Budget::new(10 * BLOCK);
        let mut one = budget.share();
        let mut two = budget.share();
        one.grow(1).unwrap();
        one.grow(BLOCK - 1).unwrap();
        assert_eq!(budget.left(), 9 * BLOCK, "a block is taken once");
        two.grow(9 * BLOCK).unwrap();
        assert_eq!(one.grow(1), Err(Exhausted));
        drop(two);
        one.grow(1).unwrap();
        drop(one);
        assert_eq!(budget.left(), 10 * BLOCK);
    }
}
