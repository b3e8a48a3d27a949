//! Commands that talk to a running collector.

pub(crate) mod act;
pub(crate) mod explain;
pub(crate) mod health;
pub(crate) mod inject;
pub(crate) mod show;

pub(crate) mod table;

use sagascope_api::client::{Client, ClientError};
use sagascope_api::text;

use crate::cli::Connection;
use crate::exit;

/// Longest message of a collector that is shown.
const MESSAGE_CHARACTERS: usize = 2_000;

/// The collector that the options name.
fn client(connection: &Connection) -> anyhow::Result<Client> {
    Client::new(&connection.url, connection.token()?).map_err(explained)
}

/// An error of the client as a message and an exit code: a question that the collector refuses is wrong use.
fn explained(error: ClientError) -> anyhow::Error {
    match error {
        ClientError::Refused(problem) => {
            let field = problem
                .field
                .as_deref()
                .map_or_else(String::new, |field| format!(" ({field})"));
            let message = text::scrub(
                &format!("{}{field}: {}", problem.title, problem.detail),
                MESSAGE_CHARACTERS,
            );
            match problem.status {
                400 | 404 | 422 => exit::usage(message),
                401 | 403 => anyhow::anyhow!("{message} (give the token with --token-file or SAGASCOPE_TOKEN)"),
                _ => anyhow::anyhow!(message),
            }
        }
        ClientError::BadUrl { .. } => exit::usage(error.to_string()),
        other => anyhow::anyhow!(text::scrub(&other.to_string(), MESSAGE_CHARACTERS)),
    }
}

#[cfg(test)]
mod tests {
    use sagascope_api::Problem;

    use super::*;

    fn refused(status: u16) -> anyhow::Error {
        explained(ClientError::Refused(Problem {
            status,
            code: "unknown_service".into(),
            title: "Unknown service".into(),
            field: Some("target.service".into()),
            detail: "use one of: orders".into(),
        }))
    }

    #[test]
    fn a_refusal_names_the_field_and_a_wrong_question_is_wrong_use() {
        assert_eq!(
            refused(400).to_string(),
            "Unknown service (target.service): use one of: orders"
        );
        assert!(refused(400).downcast_ref::<exit::Usage>().is_some());
        assert!(refused(503).downcast_ref::<exit::Usage>().is_none());
    }

    #[test]
    fn a_missing_right_says_how_to_get_it() {
        assert!(refused(401).to_string().contains("--token-file"));
    }
}
