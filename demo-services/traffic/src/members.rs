//! Shoppers with an account: they register once, log in, and show their token. How many there are follows the rate, so
//! that none of them asks more often than the gateway lets a user; whoever finds no member free shops as a guest.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use shop_kit::caller::{CallError, Caller};
use shop_kit::service::Service;
use tokio::time::Instant;

/// Most members.
const MAX_MEMBERS: usize = 400;
/// Members at least, while there are shoppers.
const LEAST: usize = 10;
/// Between two visits of a member: with what a visit asks, well below a hundred requests a minute.
const REST: Duration = Duration::from_secs(4);
/// Between two registrations or logins: each costs the users service a password's hash.
const PACE: Duration = Duration::from_millis(400);
/// While the users service is away.
const PATIENCE: Duration = Duration::from_secs(3);
/// A token this close to its end is renewed.
const RENEW_BEFORE: Duration = Duration::from_secs(120);

/// All members; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members {
    all: Arc<Mutex<Vec<Member>>>,
}

#[derive(Clone, Debug)]
struct Member {
    user_id: String,
    authorization: String,
    good_until: Instant,
    free_at: Instant,
}

/// What a visitor shows at the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    /// Who it is.
    pub(crate) user_id: String,
    /// Value of the `Authorization` header.
    pub(crate) authorization: String,
}

impl Members {
    /// A member who has rested, when there is one: the one who rested longest.
    pub(crate) fn next(&self, now: Instant) -> Option<Pass> {
        let mut all = self.lock();
        let ready = |member: &&mut Member| member.free_at <= now && member.good_until > now;
        let member = all.iter_mut().filter(ready).min_by_key(|member| member.free_at)?;
        member.free_at = now + REST;
        Some(Pass {
            user_id: member.user_id.clone(),
            authorization: member.authorization.clone(),
        })
    }

    /// The place of a member whose token ends soon, or of the next new one while there are fewer than wanted.
    fn next_login(&self, wanted: usize, now: Instant) -> Option<usize> {
        let all = self.lock();
        let ending = all.iter().position(|member| member.good_until < now + RENEW_BEFORE);
        ending.or_else(|| (all.len() < wanted).then_some(all.len()))
    }

    fn count(&self) -> usize {
        self.lock().len()
    }

    fn logged_in(&self, place: usize, member: Member) {
        let mut all = self.lock();
        match all.get_mut(place) {
            Some(known) => *known = member,
            None => all.push(member),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Member>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Registers and logs in, one after another, without an end.
pub(crate) async fn enrol(members: Members, service: Service) {
    let (gateway, rate) = (service.caller("gateway"), service.requested_rate());
    loop {
        let wanted = wanted(*rate.borrow());
        let wait = match members.next_login(wanted, Instant::now()) {
            None => PATIENCE,
            Some(place) => match log_in(&gateway, place, members.count() <= place).await {
                Ok(member) => {
                    members.logged_in(place, member);
                    PACE
                }
                Err(_) => PATIENCE,
            },
        };
        tokio::time::sleep(wait).await;
    }
}

/// Visits a second, each by a member who then rests; some more, so that there is a choice.
fn wanted(rate: f64) -> usize {
    let busy = rate.max(0.0) * REST.as_secs_f64() * 1.2;
    // Clamped to small numbers first.
    (busy.min(MAX_MEMBERS as f64) as usize).clamp(LEAST, MAX_MEMBERS)
}

/// `is_new`: with this process. Perhaps the account is there already, from another time.
async fn log_in(gateway: &Caller, place: usize, is_new: bool) -> Result<Member, CallError> {
    let (email, password) = (
        format!("shopper-{place}@shop.example"),
        format!("shopper {place}'s own"),
    );
    if is_new {
        let user = json!({
            "email": email, "password": password,
            "name": format!("Shopper {place}"), "display_name": format!("shopper {place}"),
        });
        match gateway.post_once::<_, Value>("/api/v1/users", &user, None).await {
            Ok(_) | Err(CallError::Refused { status: 409, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let login = json!({ "email": email, "password": password });
    let answer: Value = gateway.post_once("/api/v1/login", &login, None).await?;
    let malformed = || CallError::Malformed {
        reason: "a login without a token".to_owned(),
    };
    let text = |field: &str| answer[field].as_str().map(ToOwned::to_owned).ok_or_else(malformed);
    let now = Instant::now();
    Ok(Member {
        user_id: text("user_id")?,
        authorization: format!("Bearer {}", text("access_token")?),
        good_until: now + Duration::from_secs(answer["expires_in"].as_u64().unwrap_or(0)),
        free_at: now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, good_until: Instant, free_at: Instant) -> Member {
        Member {
            user_id: name.to_owned(),
            authorization: "Bearer x".to_owned(),
            good_until,
            free_at,
        }
    }

    #[test]
    fn members_take_turns_and_rest() {
        let (members, now) = (Members::default(), Instant::now());
        let later = now + Duration::from_secs(900);
        assert_eq!(members.next(now), None, "guests only");
        members.logged_in(0, member("a", later, now));
        members.logged_in(1, member("b", later, now));
        members.logged_in(2, member("expired", now, now));
        let next = |at| members.next(at).map(|pass| pass.user_id);
        assert_eq!(next(now).as_deref(), Some("a"));
        assert_eq!(next(now).as_deref(), Some("b"));
        assert_eq!(next(now), None);
        assert_eq!(next(now + REST).as_deref(), Some("a"));
    }

    #[test]
    fn tokens_are_renewed_first_and_then_the_next_comes() {
        let (members, now) = (Members::default(), Instant::now());
        let later = now + Duration::from_secs(900);
        assert_eq!(members.next_login(2, now), Some(0));
        members.logged_in(0, member("a", later, now));
        assert_eq!(members.next_login(2, now), Some(1));
        members.logged_in(1, member("b", later, now));
        assert_eq!(members.next_login(2, now), None);
        assert_eq!(members.next_login(2, later - RENEW_BEFORE / 2), Some(0));
    }

    #[test]
    fn the_number_of_members_follows_the_rate() {
        assert_eq!(wanted(0.0), LEAST);
        assert_eq!(wanted(20.0), 96);
        assert_eq!(wanted(f64::INFINITY), MAX_MEMBERS);
        assert_eq!(wanted(f64::NAN), LEAST);
    }
}
