//! Change a profile or a status. What is the same already is no event.

use crate::user::{Profile, Refusal, Status, User, UserEvent};

/// The user as they want to be.
pub(crate) fn change(user: &User, wanted: Profile, wanted_status: Status) -> Result<Vec<UserEvent>, Refusal> {
    match user {
        User::Absent | User::Deleted => Err(Refusal::NotFound),
        User::Present { profile, status, .. } if *profile == wanted && *status == wanted_status => Ok(Vec::new()),
        User::Present { .. } => Ok(vec![UserEvent::Changed {
            profile: wanted,
            status: wanted_status,
        }]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register_user::tests::{ada, given};
    use crate::user::Role;

    #[test]
    fn changing() {
        let created = UserEvent::Created {
            profile: ada(),
            role: Role::Admin,
        };
        let user = given(std::slice::from_ref(&created));
        assert_eq!(change(&user, ada(), Status::Active), Ok(vec![]));
        let mut married = ada();
        married.personal.name = "Ada King".into();
        let changed = UserEvent::Changed {
            profile: married.clone(),
            status: Status::Suspended,
        };
        assert_eq!(
            change(&user, married.clone(), Status::Suspended),
            Ok(vec![changed.clone()])
        );
        let expected = User::Present {
            profile: married,
            status: Status::Suspended,
            role: Role::Admin,
        };
        assert_eq!(given(&[created.clone(), changed]), expected, "the role stays");
        assert_eq!(change(&User::Absent, ada(), Status::Active), Err(Refusal::NotFound));
        let gone = given(&[created, UserEvent::Deleted]);
        assert_eq!(change(&gone, ada(), Status::Active), Err(Refusal::NotFound));
    }
}
