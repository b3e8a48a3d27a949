//! Counts over the last while, in slices of a fixed length by the time things happened.

use sagascope_api::Time;
use serde::{Deserialize, Serialize};

/// The last slices of `T`, addressed by time. `T::default()` is an empty slice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Slices<T> {
    /// Number of the newest slice since the epoch.
    newest: u64,
    slice_seconds: u64,
    /// Place `number % len` holds slice `number`.
    slices: Box<[T]>,
}

/// One-second slices over a minute.
impl<T: Clone + Default> Default for Slices<T> {
    fn default() -> Self {
        Self::new(1, 61)
    }
}

impl<T: Clone + Default> Slices<T> {
    pub(crate) fn new(slice_seconds: u64, count: usize) -> Self {
        Self {
            newest: 0,
            slice_seconds,
            slices: vec![T::default(); count].into_boxed_slice(),
        }
    }

    /// The slice of what happened at `at`; `None` when that is too long ago. What seems to come from the future, by
    /// the sender's clock, happens now.
    pub(crate) fn at(&mut self, at: Time, now: Time) -> Option<&mut T> {
        self.slice(self.number(at.min(now)), self.number(now))
    }

    /// The slice of this number, when the one with number `newest` is the present.
    pub(crate) fn slice(&mut self, number: u64, newest: u64) -> Option<&mut T> {
        self.advance(newest);
        if number + self.slices.len() as u64 <= self.newest {
            return None;
        }
        let place = self.place(number);
        Some(&mut self.slices[place])
    }

    /// Slices of the last `seconds`, the present unfinished one included, newest first; `None` where nothing came.
    pub(crate) fn recent(&self, now: Time, seconds: u64) -> impl Iterator<Item = Option<&T>> {
        let newest = self.number(now);
        let count = seconds.div_ceil(self.slice_seconds).min(self.slices.len() as u64);
        (0..count)
            .map_while(move |back| newest.checked_sub(back))
            .map(|number| {
                let held = number <= self.newest && number + self.slices.len() as u64 > self.newest;
                held.then(|| &self.slices[self.place(number)])
            })
    }

    fn advance(&mut self, number: u64) {
        if number <= self.newest {
            return;
        }
        let passed = (number - self.newest).min(self.slices.len() as u64);
        for back in 0..passed {
            let place = self.place(number - back);
            self.slices[place] = T::default();
        }
        self.newest = number;
    }

    const fn number(&self, at: Time) -> u64 {
        at.0 / 1_000_000_000 / self.slice_seconds
    }

    fn place(&self, number: u64) -> usize {
        (number % self.slices.len() as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn second(n: u64) -> Time {
        Time(n * 1_000_000_000)
    }

    fn sum(slices: &Slices<u32>, now: Time, seconds: u64) -> u32 {
        slices.recent(now, seconds).flatten().sum()
    }

    #[test]
    fn what_is_old_falls_out() {
        let mut slices = Slices::<u32>::new(1, 10);
        *slices.at(second(100), second(100)).unwrap() += 1;
        *slices.at(second(103), second(103)).unwrap() += 2;
        assert_eq!(sum(&slices, second(103), 10), 3);
        assert_eq!(sum(&slices, second(103), 3), 2);
        assert_eq!(sum(&slices, second(110), 10), 2);
        assert_eq!(sum(&slices, second(200), 10), 0, "nothing is stale after a silence");
    }

    #[test]
    fn late_arrival_counts_when_it_happened_and_the_future_counts_now() {
        let mut slices = Slices::<u32>::new(1, 10);
        *slices.at(second(100), second(105)).unwrap() += 1;
        *slices.at(second(900), second(105)).unwrap() += 1;
        assert!(slices.at(second(90), second(105)).is_none());
        assert_eq!(sum(&slices, second(105), 1), 1);
        assert_eq!(sum(&slices, second(105), 6), 2);
    }

    #[test]
    fn a_clock_that_goes_back_is_survived() {
        let mut slices = Slices::<u32>::new(1, 10);
        *slices.at(second(100), second(100)).unwrap() += 1;
        assert!(slices.at(second(50), second(50)).is_none());
        assert_eq!(sum(&slices, second(50), 10), 0);
        assert_eq!(sum(&slices, second(0), 10), 0);
    }
}
