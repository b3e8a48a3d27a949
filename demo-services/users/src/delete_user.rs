//! Delete a user. The events stay, and nobody can read the personal data in them any more.

use crate::user::{Refusal, User, UserEvent};

/// A user who is gone cannot go.
pub(crate) fn delete(user: &User) -> Result<Vec<UserEvent>, Refusal> {
    match user {
        User::Present { .. } => Ok(vec![UserEvent::Deleted]),
        User::Absent | User::Deleted => Err(Refusal::NotFound),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register_user::tests::{ada, given};
    use crate::user::Role;

    #[test]
    fn deleting() {
        let created = UserEvent::Created {
            profile: ada(),
            role: Role::Customer,
        };
        assert_eq!(
            delete(&given(std::slice::from_ref(&created))),
            Ok(vec![UserEvent::Deleted])
        );
        assert_eq!(delete(&User::Absent), Err(Refusal::NotFound));
        assert_eq!(delete(&given(&[created, UserEvent::Deleted])), Err(Refusal::NotFound));
    }
}
