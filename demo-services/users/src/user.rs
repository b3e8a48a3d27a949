//! A user: the events, and the state that they fold to. Personal data is plain here and nowhere else.

use serde::{Deserialize, Serialize};

/// What the shop offers to a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tier {
    /// As everybody.
    #[default]
    Standard,
    /// A good customer.
    Gold,
}

/// May the user act?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// Yes.
    #[default]
    Active,
    /// No login until somebody lifts it.
    Suspended,
}

impl Status {
    /// Its word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }
}

/// What a user may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Buys.
    #[default]
    Customer,
    /// Sees and changes all users.
    Admin,
}

impl Role {
    /// Everything a token of this role may be good for.
    pub(crate) const fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Customer => &["profile", "orders:read", "orders:write", "cart:write"],
            Self::Admin => &["profile", "orders:read", "orders:write", "cart:write", "admin"],
        }
    }
}

/// Personal data: sealed wherever it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Personal {
    /// Address of the login.
    pub(crate) email: String,
    /// As on the parcel.
    pub(crate) name: String,
}

/// What a user says of themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    /// Sealed wherever it is kept.
    pub(crate) personal: Personal,
    /// What others see.
    pub(crate) display_name: String,
    /// What the shop offers.
    pub(crate) tier: Tier,
}

/// What happened to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UserEvent {
    /// The user registered.
    Created {
        /// As given.
        profile: Profile,
        /// What the user may do.
        role: Role,
    },
    /// The profile or the status is another now.
    Changed {
        /// As a whole.
        profile: Profile,
        /// Now.
        status: Status,
    },
    /// The user is gone; with the key of the personal data, so is that data.
    Deleted,
}

/// The fold of a user's events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum User {
    /// Never was.
    #[default]
    Absent,
    /// Is a user.
    Present {
        /// Now.
        profile: Profile,
        /// Now.
        status: Status,
        /// What the user may do.
        role: Role,
    },
    /// Was one.
    Deleted,
}

impl User {
    /// Takes one event in.
    pub(crate) fn apply(self, event: &UserEvent) -> Self {
        match (self, event.clone()) {
            (_, UserEvent::Created { profile, role }) => Self::Present {
                profile,
                role,
                status: Status::Active,
            },
            (Self::Present { role, .. }, UserEvent::Changed { profile, status }) => {
                Self::Present { profile, status, role }
            }
            (_, UserEvent::Deleted) => Self::Deleted,
            // A change of what is not there says nothing.
            (other, UserEvent::Changed { .. }) => other,
        }
    }
}

/// Why a command has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// 404.
    #[error("there is no such user")]
    NotFound,
    /// 409.
    #[error("there is such a user already")]
    Exists,
}
