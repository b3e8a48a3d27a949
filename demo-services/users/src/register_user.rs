//! Register a user, once. That no two users share an address is the database's promise, in the same transaction.

use crate::user::{Profile, Refusal, Role, User, UserEvent};

/// A new user has never been one before.
pub(crate) fn register(user: &User, profile: Profile, role: Role) -> Result<Vec<UserEvent>, Refusal> {
    match user {
        User::Absent => Ok(vec![UserEvent::Created { profile, role }]),
        User::Present { .. } | User::Deleted => Err(Refusal::Exists),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::user::{Personal, Tier};

    pub(crate) fn ada() -> Profile {
        Profile {
            personal: Personal {
                email: "ada@example.org".into(),
                name: "Ada Lovelace".into(),
            },
            display_name: "Ada".into(),
            tier: Tier::Standard,
        }
    }

    pub(crate) fn given(events: &[UserEvent]) -> User {
        events.iter().fold(User::default(), User::apply)
    }

    #[test]
    fn registering() {
        let created = UserEvent::Created {
            profile: ada(),
            role: Role::Customer,
        };
        assert_eq!(
            register(&User::Absent, ada(), Role::Customer),
            Ok(vec![created.clone()])
        );
        let twice = register(&given(std::slice::from_ref(&created)), ada(), Role::Customer);
        assert_eq!(twice, Err(Refusal::Exists));
        let deleted = given(&[created, UserEvent::Deleted]);
        assert_eq!(register(&deleted, ada(), Role::Customer), Err(Refusal::Exists));
    }
}
