//! `sagascope explain ID`: what happened, the likely cause, and the evidence.

use std::io::Write;

use sagascope_api::explain::Explanation;
use sagascope_api::text::scrub;

use super::show::print_json;
use super::{client, explained};
use crate::cli::ExplainOptions;

const SENTENCE_CHARACTERS: usize = 600;

/// Prints the explanation of one business operation.
pub(crate) async fn run(options: ExplainOptions) -> anyhow::Result<()> {
    let url = &options.connection.url;
    let explanation = client(&options.connection)?
        .explain(&options.id)
        .await
        .map_err(explained)?;
    if options.json {
        return print_json(&explanation);
    }
    write(&mut std::io::stdout().lock(), &explanation, url)?;
    Ok(())
}

fn write(out: &mut impl Write, explanation: &Explanation, url: &str) -> std::io::Result<()> {
    let shown = |text: &str| scrub(text, SENTENCE_CHARACTERS);
    writeln!(out, "{}", shown(&explanation.summary))?;
    if let Some(cause) = &explanation.cause {
        writeln!(out, "Likely cause: {}", shown(cause))?;
    }
    for evidence in &explanation.evidence {
        let link = evidence
            .link
            .as_deref()
            .map_or_else(String::new, |link| format!("  {url}{}", shown(link)));
        writeln!(out, "  · {}{link}", shown(&evidence.text))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sagascope_api::explain::Evidence;

    use super::*;

    #[test]
    fn cause_and_evidence_follow_the_summary() {
        let explanation = Explanation {
            summary: "order 7f3a was undone".into(),
            cause: Some("payments refused every call".into()),
            evidence: vec![Evidence {
                text: "charge failed 3 times".into(),
                link: Some("/traces/4bf9".into()),
            }],
            ..Explanation::default()
        };
        let mut out = Vec::new();
        write(&mut out, &explanation, "http://127.0.0.1:4319").unwrap();
        let expected = "order 7f3a was undone\nLikely cause: payments refused every call\n  · charge failed 3 times  http://127.0.0.1:4319/traces/4bf9\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
