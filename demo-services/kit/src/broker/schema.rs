//! Forms of messages: which one a message has stands in its headers, and consumers read old ones as the newest.
//!
//! The rules are those of stored events ([`Upcasters`]): a field that was added needs a default where it is read, a
//! change of meaning needs a step. A form that only a later version knows cannot be guessed: the message is parked as a
//! dead letter at once, and replayed when the consumer has learnt it (G15). Types that a consumer does not name are not
//! for it.

use serde_json::Value;

use super::Message;
use crate::event_store::Upcasters;

/// Header with the form of the payload, counted from 1; absent means 1.
pub const SCHEMA_VERSION: &str = "schema-version";

/// Why a message cannot be read, now or later, by this version of its consumer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Of a form that only a later version knows.
    #[error("{event_type} has schema version {found}; this consumer knows up to {newest}")]
    Newer {
        /// Type of the message.
        event_type: String,
        /// Its form.
        found: String,
        /// The newest form that is known.
        newest: u32,
    },
    /// The payload does not have the form that it claims.
    #[error("{event_type} does not have the form it claims: {reason}")]
    Malformed {
        /// Type of the message.
        event_type: String,
        /// What is wrong.
        reason: String,
    },
}

/// The payload in the newest form; `None` for a type that the consumer does not name.
///
/// # Errors
/// When it cannot be read; handing that on parks the message.
pub fn payload(forms: &Upcasters, message: &Message) -> Result<Option<Value>, Unreadable> {
    let Some(newest) = forms.newest(&message.event_type) else {
        return Ok(None);
    };
    let found = message.headers.get(SCHEMA_VERSION).map_or("1", String::as_str);
    let version = found.parse().ok().filter(|&version| version >= 1);
    let Some(version) = version.filter(|&version| forms.knows(&message.event_type, version)) else {
        return Err(Unreadable::Newer {
            event_type: message.event_type.clone(),
            found: found.chars().take(20).collect(),
            newest,
        });
    };
    forms
        .lift(&message.event_type, version, message.payload.clone())
        .map(Some)
        .map_err(|error| malformed(message, &error))
}

/// The same as a type.
///
/// # Errors
/// When it cannot be read; handing that on parks the message.
pub fn read<T: serde::de::DeserializeOwned>(forms: &Upcasters, message: &Message) -> Result<Option<T>, Unreadable> {
    let read = |payload| serde_json::from_value(payload).map_err(|error| malformed(message, &error));
    payload(forms, message)?.map(read).transpose()
}

fn malformed(message: &Message, error: &serde_json::Error) -> Unreadable {
    Unreadable::Malformed {
        event_type: message.event_type.clone(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::broker::Place;

    /// Form 2 carries currency with the amount.
    #[derive(Debug, PartialEq, Deserialize)]
    struct Paid {
        total: Money,
        #[serde(default)]
        note: String,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Money {
        minor: i64,
        currency: String,
    }

    fn forms() -> Upcasters {
        Upcasters::new().event(
            "Paid",
            &[|old| {
                let minor: i64 = serde_json::from_value(old["total_minor"].clone())?;
                Ok(json!({ "total": { "minor": minor, "currency": "EUR" } }))
            }],
        )
    }

    fn message(version: Option<&str>, payload: Value) -> Message {
        Message {
            id: "m-1".into(),
            place: Place {
                topic: "payments.events".into(),
                partition: 0,
                offset: 0,
            },
            key: "o-1".into(),
            event_type: "Paid".into(),
            payload,
            headers: version
                .map(|version| (SCHEMA_VERSION.to_owned(), version.to_owned()))
                .into_iter()
                .collect(),
            published_at: 0,
            attempts: 1,
        }
    }

    #[test]
    fn g15_old_forms_are_read_as_the_newest_and_later_ones_are_not_guessed() {
        let old = json!({ "total_minor": 130 });
        let new = json!({ "total": { "minor": 130, "currency": "EUR" }, "colour": "red" });
        let expected = || Paid {
            total: Money {
                minor: 130,
                currency: "EUR".into(),
            },
            note: String::new(),
        };
        for message in [
            message(None, old.clone()),
            message(Some("1"), old.clone()),
            message(Some("2"), new.clone()),
        ] {
            assert_eq!(read::<Paid>(&forms(), &message), Ok(Some(expected())));
        }
        for version in ["3", "0", "-1", "two", ""] {
            let refused = read::<Paid>(&forms(), &message(Some(version), new.clone()));
            assert!(
                matches!(refused, Err(Unreadable::Newer { newest: 2, .. })),
                "{version}: {refused:?}"
            );
        }
    }

    #[test]
    fn a_payload_of_another_form_than_it_claims_is_unreadable() {
        for message in [
            message(Some("1"), json!({ "total_minor": "much" })),
            message(Some("2"), json!({ "total_minor": 130 })),
        ] {
            let refused = read::<Paid>(&forms(), &message);
            assert!(matches!(refused, Err(Unreadable::Malformed { .. })), "{refused:?}");
        }
    }

    #[test]
    fn types_that_a_consumer_does_not_name_are_not_for_it() {
        let mut other = message(Some("9"), Value::Null);
        other.event_type = "GiftWrapped".into();
        assert_eq!(read::<Paid>(&forms(), &other), Ok(None));
    }
}
