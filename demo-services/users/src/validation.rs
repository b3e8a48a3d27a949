//! What a field may hold. Every field is looked at, so that a form learns all its mistakes at once.

use serde::Deserialize;
use shop_kit::problem::{FieldError, Problem};

use crate::user::{Personal, Profile, Status, Tier};

/// Longest address that mail can have.
const MAX_EMAIL: usize = 254;
/// Longest part of an address before the `@`.
const MAX_LOCAL: usize = 64;
/// Most letters of a name.
const MAX_NAME: usize = 100;
/// Most letters of a display name.
const MAX_DISPLAY_NAME: usize = 40;
/// Letters of a password.
const PASSWORD: std::ops::RangeInclusive<usize> = 10..=128;

/// Body of `POST /api/v1/users`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterUser {
    email: String,
    name: String,
    password: String,
    display_name: Option<String>,
    #[serde(default)]
    tier: Tier,
}

/// Body of `PUT /api/v1/users/{id}`: the user as a whole.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeUser {
    email: String,
    name: String,
    display_name: Option<String>,
    #[serde(default)]
    tier: Tier,
    #[serde(default)]
    status: Status,
}

impl RegisterUser {
    /// Profile and password, when every field is right.
    pub(crate) fn checked(self) -> Result<(Profile, String), Problem> {
        let mut errors = Vec::new();
        let profile = profile(self.email, self.name, self.display_name, self.tier, &mut errors);
        if !PASSWORD.contains(&self.password.chars().count()) {
            let (least, most) = (PASSWORD.start(), PASSWORD.end());
            errors.push(FieldError::new(
                "password",
                format!("give {least} to {most} characters"),
            ));
        } else if self.password.eq_ignore_ascii_case(&profile.personal.email) {
            errors.push(FieldError::new("password", "give another than the e-mail address"));
        }
        Problem::unless_empty(errors).map(|()| (profile, self.password))
    }
}

impl ChangeUser {
    /// Profile and status, when every field is right.
    pub(crate) fn checked(self) -> Result<(Profile, Status), Problem> {
        let mut errors = Vec::new();
        let profile = profile(self.email, self.name, self.display_name, self.tier, &mut errors);
        Problem::unless_empty(errors).map(|()| (profile, self.status))
    }
}

fn profile(
    email: String,
    name: String,
    display_name: Option<String>,
    tier: Tier,
    errors: &mut Vec<FieldError>,
) -> Profile {
    if !is_email(&email) {
        errors.push(FieldError::new("email", "give an address such as ada@example.org"));
    }
    if !is_name(&name, MAX_NAME) {
        let detail = format!("give 1 to {MAX_NAME} printable characters");
        errors.push(FieldError::new("name", detail));
    }
    let display_name = display_name.unwrap_or_else(|| "customer".to_owned());
    if !is_name(&display_name, MAX_DISPLAY_NAME) {
        let detail = format!("give 1 to {MAX_DISPLAY_NAME} printable characters");
        errors.push(FieldError::new("display_name", detail));
    }
    Profile {
        personal: Personal { email, name },
        display_name,
        tier,
    }
}

/// The form that mail servers in practice take; whether somebody reads it only a letter can tell.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let local_sign = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b);
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= MAX_EMAIL
        && (1..=MAX_LOCAL).contains(&local.len())
        && local.bytes().all(local_sign)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && domain.contains('.')
        && domain.split('.').all(label)
}

/// Letters of any language, without what would rearrange a screen.
fn is_name(text: &str, max: usize) -> bool {
    let invisible = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    !text.trim().is_empty() && text.trim() == text && text.chars().count() <= max && !text.chars().any(invisible)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn addresses() {
        for good in ["ada@example.org", "a.b+c@sub.example.co", "x@a-b.io"] {
            assert!(is_email(good), "{good}");
        }
        let long = format!("{}@example.org", "x".repeat(65));
        for bad in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@localhost",
            "a da@example.org",
            "ada@exam ple.org",
            "ada@-x.org",
            ".a@example.org",
            "a..b@example.org",
            "ada@example..org",
            "ada\u{202e}@example.org",
            &long,
        ] {
            assert!(!is_email(bad), "{bad:?}");
        }
    }

    #[test]
    fn names_of_any_language_and_nothing_that_moves_a_screen() {
        for good in ["Ada Lovelace", "Лев", "李", "O'Neil"] {
            assert!(is_name(good, MAX_NAME), "{good}");
        }
        for bad in ["", " ", " Ada", "a\nb", "\u{1b}[2J", "\u{202e}ada", &"x".repeat(101)] {
            assert!(!is_name(bad, MAX_NAME), "{bad:?}");
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let body = json!({ "email": "no", "name": "", "password": "short", "display_name": "\u{7}" });
        let command: RegisterUser = serde_json::from_value(body).expect("reads");
        let problem = command.checked().expect_err("refused");
        let errors = problem.errors.expect("all of them").0;
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["email", "name", "display_name", "password"]);
        assert_eq!((problem.status, problem.field.as_deref()), (400, Some("email")));
    }

    #[test]
    fn a_password_is_not_the_address() {
        let body = json!({ "email": "ada@example.org", "name": "Ada", "password": "ADA@example.org" });
        let command: RegisterUser = serde_json::from_value(body).expect("reads");
        assert_eq!(
            command.checked().expect_err("refused").field.as_deref(),
            Some("password")
        );
    }
}
