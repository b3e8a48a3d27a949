//! One budget of bytes for all requests under way, from socket to projection, shared fairly among the services that send.
//!
//! A service may hold as much as is left for all others: alone it gets half of the budget, of two greedy ones each gets a
//! third, and what is left lets the modest ones in. So a service that sends a hundred times too much is pushed back,
//! and the others are not. Which service a connection speaks for is known from its last request; until it has said so, a
//! connection has an account of its own, so that one which stalls does not keep the next newcomer out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::body;

/// What a request costs however short it is: its rows, its place in the queues.
const FLOOR: usize = 16 << 10;

/// Shared by all receivers.
#[derive(Clone)]
pub(crate) struct Budget {
    total: usize,
    accounts: Arc<Mutex<Accounts>>,
}

/// The budget, or the service's part of it, is used up; the sender should come again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;

/// A service, by its name's hash; 0 is that of all requests without a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Service(pub(crate) u64);

/// Whose a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Account {
    Service(Service),
    /// Of a connection that has not said yet for whom it speaks.
    Newcomer(u64),
}

/// A connection; remembers for whom it spoke last.
#[derive(Clone, Debug)]
pub(crate) struct Peer(Arc<Said>);

#[derive(Debug)]
struct Said {
    connection: u64,
    service: AtomicU64,
}

impl Default for Peer {
    fn default() -> Self {
        static CONNECTIONS: AtomicU64 = AtomicU64::new(0);
        Self(Arc::new(Said {
            connection: CONNECTIONS.fetch_add(1, Ordering::Relaxed),
            service: AtomicU64::new(Service::default().0),
        }))
    }
}

impl Peer {
    /// The connection that a request came by.
    pub(crate) fn of(extensions: &http::Extensions) -> Self {
        extensions.get().cloned().unwrap_or_default()
    }

    fn account(&self) -> Account {
        match Service(self.0.service.load(Ordering::Relaxed)) {
            Service(0) => Account::Newcomer(self.0.connection),
            service => Account::Service(service),
        }
    }
}

struct Accounts {
    left: usize,
    /// Of those that hold something.
    held: HashMap<Account, Held>,
    /// Requests of all newcomers.
    newcomers: usize,
}

#[derive(Default)]
struct Held {
    requests: usize,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            total: bytes,
            accounts: Arc::new(Mutex::new(Accounts {
                left: bytes,
                held: HashMap::new(),
                newcomers: 0,
            })),
        }
    }

    /// Nothing yet, for a request by this connection.
    pub(crate) fn share(&self, peer: &Peer) -> Share {
        Share {
            budget: self.clone(),
            account: peer.account(),
            peer: peer.clone(),
            used: 0,
            held: 0,
        }
    }

    /// Bytes of all requests together.
    pub(crate) const fn total(&self) -> usize {
        self.total
    }

    /// The largest request that may be taken: it is there packed and unpacked at once, and more than the budget it could
    /// never have.
    pub(crate) fn request_max(&self) -> usize {
        body::LIMIT.min(self.total / 2)
    }

    /// Bytes left.
    pub(crate) fn left(&self) -> usize {
        self.lock().left
    }

    fn lock(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Accounts {
    /// A service that has nothing else under way gets what there is: else a large request could never be taken. Newcomers
    /// are many at no cost, so that holds for one of them at a time.
    fn take(&mut self, account: Account, bytes: usize, is_new: bool) -> Result<(), Exhausted> {
        let left = self.left.checked_sub(bytes).ok_or(Exhausted)?;
        let held = self.held.get(&account);
        let (requests, already) = held.map_or((0, 0), |held| (held.requests, held.bytes));
        let is_newcomer = matches!(account, Account::Newcomer(_));
        let under_way = if is_newcomer { self.newcomers } else { requests };
        let others = under_way - usize::from(!is_new);
        if others > 0 && already + bytes > left {
            return Err(Exhausted);
        }
        let held = self.held.entry(account).or_default();
        held.requests += usize::from(is_new);
        held.bytes += bytes;
        self.newcomers += usize::from(is_new && is_newcomer);
        self.left = left;
        Ok(())
    }

    fn shrink(&mut self, account: Account, bytes: usize) {
        self.left += bytes;
        if let Some(held) = self.held.get_mut(&account) {
            held.bytes -= bytes;
        }
    }

    fn give_back(&mut self, account: Account, bytes: usize) {
        self.shrink(account, bytes);
        if let Some(held) = self.held.get_mut(&account) {
            held.requests -= 1;
            self.newcomers -= usize::from(matches!(account, Account::Newcomer(_)));
            if held.requests == 0 {
                self.held.remove(&account);
            }
        }
    }
}

/// One request's part of the budget; given back when dropped.
pub(crate) struct Share {
    budget: Budget,
    peer: Peer,
    account: Account,
    used: usize,
    /// At least [`FLOOR`] once anything is used.
    held: usize,
}

impl Share {
    /// Could it ever take `bytes` more, with nothing else under way?
    pub(crate) const fn could_grow(&self, bytes: usize) -> bool {
        self.used.saturating_add(bytes) <= self.budget.total
    }

    /// As [`Budget::request_max`].
    pub(crate) fn request_max(&self) -> usize {
        self.budget.request_max()
    }

    /// Takes `bytes` more.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.used = self.used.saturating_add(bytes);
        let more = self.used.max(FLOOR).saturating_sub(self.held);
        if more == 0 {
            return Ok(());
        }
        let is_new = self.held == 0;
        self.budget.lock().take(self.account, more, is_new)?;
        self.held += more;
        Ok(())
    }

    /// The request holds `bytes` from here on, no more what it took to read it.
    pub(crate) fn settle(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let spare = self.held.saturating_sub(bytes.max(FLOOR));
        self.used = bytes;
        if spare == 0 {
            return self.grow(0);
        }
        self.budget.lock().shrink(self.account, spare);
        self.held -= spare;
        Ok(())
    }

    /// The request turns out to be this service's: what it holds counts as that one's, when there is room for it.
    pub(crate) fn belongs_to(&mut self, service: Service) -> Result<(), Exhausted> {
        self.peer.0.service.store(service.0, Ordering::Relaxed);
        let account = Account::Service(service);
        if self.account == account || self.held == 0 {
            self.account = account;
            return Ok(());
        }
        let mut accounts = self.budget.lock();
        accounts.give_back(self.account, self.held);
        let taken = accounts.take(account, self.held, true);
        drop(accounts);
        self.account = account;
        if taken.is_err() {
            self.held = 0;
        }
        taken
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.held > 0 {
            self.budget.lock().give_back(self.account, self.held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOISY: Service = Service(1);
    const MODEST: Service = Service(2);

    fn of(budget: &Budget, service: Service) -> Share {
        let mut share = budget.share(&Peer::default());
        share.belongs_to(service).unwrap();
        share
    }

    /// Shares of one floor each, until no more are given.
    fn all_of(budget: &Budget, service: Service) -> Vec<Share> {
        let one = || {
            let mut share = of(budget, service);
            share.grow(1).ok().map(|()| share)
        };
        std::iter::from_fn(one).collect()
    }

    #[test]
    fn shares_add_up_and_come_back() {
        let budget = Budget::new(10 * FLOOR);
        let mut one = of(&budget, NOISY);
        one.grow(1).unwrap();
        one.grow(FLOOR - 1).unwrap();
        assert_eq!(budget.left(), 9 * FLOOR, "a floor is taken once");
        let mut two = of(&budget, MODEST);
        two.grow(9 * FLOOR).unwrap();
        assert_eq!(one.grow(1), Err(Exhausted));
        drop(two);
        one.grow(1).unwrap();
        drop(one);
        assert_eq!(budget.left(), 10 * FLOOR);
        assert!(budget.lock().held.is_empty());
    }

    #[test]
    fn a_request_that_is_read_holds_its_bytes_once() {
        let budget = Budget::new(20 * FLOOR);
        let mut share = of(&budget, MODEST);
        share.grow(7 * FLOOR).unwrap();
        share.settle(3 * FLOOR).unwrap();
        assert_eq!(budget.left(), 17 * FLOOR);
        share.settle(4 * FLOOR).unwrap();
        assert_eq!(budget.left(), 16 * FLOOR, "it may have grown, too");
        share.settle(0).unwrap();
        assert_eq!(budget.left(), 19 * FLOOR, "a floor as long as it is under way");
        assert_eq!(share.settle(30 * FLOOR), Err(Exhausted));
        drop(share);
        assert_eq!(budget.left(), 20 * FLOOR);
    }

    #[test]
    fn b02_a_greedy_service_leaves_room_for_the_others() {
        let budget = Budget::new(60 * FLOOR);
        let greedy = all_of(&budget, NOISY);
        assert_eq!(greedy.len(), 30, "alone it gets half");
        let other = all_of(&budget, Service(7));
        assert_eq!(other.len(), 15, "and another one half of the rest");
        let mut modest: Vec<_> = (0..7).map(|_| of(&budget, MODEST)).collect();
        assert!(modest.iter_mut().all(|share| share.grow(1).is_ok()));
        drop((greedy, other, modest));
        assert_eq!(budget.left(), 60 * FLOOR);
    }

    #[test]
    fn b02_many_greedy_services_leave_room_too() {
        let budget = Budget::new(1_000 * FLOOR);
        let mut greedy = Vec::new();
        for service in 10..15 {
            greedy.push(all_of(&budget, Service(service)));
        }
        assert!(greedy.iter().all(|shares| !shares.is_empty()));
        let mut modest = of(&budget, MODEST);
        assert_eq!(modest.grow(1), Ok(()));
    }

    #[test]
    fn a_single_request_may_be_as_large_as_the_budget() {
        let budget = Budget::new(10 * FLOOR);
        let mut large = of(&budget, NOISY);
        large.grow(4 * FLOOR).unwrap();
        large.grow(5 * FLOOR).unwrap();
        assert_eq!(of(&budget, NOISY).grow(1), Err(Exhausted), "but not beside another");
        assert_eq!(of(&budget, MODEST).grow(1), Ok(()));
    }

    #[test]
    fn b02_what_a_connection_said_last_counts_from_its_next_first_byte() {
        let budget = Budget::new(20 * FLOOR);
        let peer = Peer::default();
        let mut first = budget.share(&peer);
        first.grow(FLOOR).unwrap();
        first.belongs_to(NOISY).unwrap();
        drop(first);
        let held = all_of(&budget, NOISY);
        assert_eq!(held.len(), 10);
        assert_eq!(budget.share(&peer).grow(1), Err(Exhausted), "before it is read");
        assert_eq!(budget.share(&Peer::default()).grow(1), Ok(()));
    }

    #[test]
    fn b11_a_newcomer_that_stalls_leaves_room_for_the_next_one() {
        let budget = Budget::new(1_000 * FLOOR);
        let newcomer = |floors: usize| {
            let mut share = budget.share(&Peer::default());
            share.grow(floors * FLOOR).map(|()| share)
        };
        let stalled = newcomer(500).unwrap();
        let next: Vec<_> = (0..20).map(|_| newcomer(10).unwrap()).collect();
        assert_eq!(newcomer(200).err(), Some(Exhausted), "but no more than what it leaves");
        drop((stalled, next));
        assert_eq!(budget.left(), 1_000 * FLOOR);
        assert_eq!(budget.lock().newcomers, 0);
        assert!(newcomer(1_000).is_ok(), "alone it may have all");
    }

    #[test]
    fn b11_newcomers_together_never_use_all_up() {
        let budget = Budget::new(1_000 * FLOOR);
        // Each as much as it can get, one floor after the other.
        let greedy: Vec<_> = (0..8)
            .map(|_| {
                let mut share = budget.share(&Peer::default());
                let most = 500;
                let _ = (0..most).try_for_each(|_| share.grow(FLOOR));
                share
            })
            .collect();
        assert!(budget.left() > 0);
        assert_eq!(of(&budget, MODEST).grow(1), Ok(()), "a known service gets in");
        assert_eq!(budget.share(&Peer::default()).grow(1), Ok(()), "and one more newcomer");
        drop(greedy);
        assert_eq!(budget.left(), 1_000 * FLOOR);
    }

    #[test]
    fn a_request_that_turns_out_to_be_too_much_gives_back_what_it_held() {
        let budget = Budget::new(20 * FLOOR);
        let held = all_of(&budget, NOISY);
        let mut late = budget.share(&Peer::default());
        late.grow(3 * FLOOR).unwrap();
        assert_eq!(late.belongs_to(NOISY), Err(Exhausted));
        drop((late, held));
        assert_eq!(budget.left(), 20 * FLOOR);
        assert!(budget.lock().held.is_empty());
    }
}
