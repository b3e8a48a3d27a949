//! Log records: search over all that are kept, newest first.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use sagascope_api::Page;
use sagascope_api::logs::LogRow;
use sagascope_core::trace::{Room, log_row, log_row_in};
use sagascope_store::find::{self, LogCursor, LogQuery};

use super::list::Cursor;
use super::params::Params;
use super::{compute, is_incomplete};
use crate::app::App;
use crate::problem::Answer;

/// `GET /api/v1/logs?q=&since=&until=&limit=&cursor=&whole=`.
pub(crate) async fn logs(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Answer<Json<Page<LogRow>>> {
    let params = Params::parse(query.as_deref())?;
    compute(&app, move |app, budget| {
        let whole = params.flag("whole")?.unwrap_or(false);
        let after = Cursor::of(&params, |key| key.parse().ok())?;
        let search = LogQuery {
            query: &params.search()?,
            since: params.time("since")?,
            until: params.time("until")?,
            limit: params.limit()?,
            after: after.map(|(at, sequence)| LogCursor { at, sequence }),
        };
        let parts = app.parts();
        let page = find::logs(&parts, &search, budget);
        let last = page.logs.last().filter(|_| page.more);
        Ok(Page {
            next_cursor: last.map(|(place, _)| {
                let key = place.sequence.to_string();
                Cursor { time: place.at, key }.write()
            }),
            items: if whole {
                let mut room = Room::answer();
                let logs = page.logs.iter();
                logs.map(|(_, log)| log_row_in(log, &mut room)).collect()
            } else {
                page.logs.iter().map(|(_, log)| log_row(log)).collect()
            },
            truncated: page.truncated,
            incomplete: is_incomplete(app, &parts),
        })
    })
    .await
    .map(Json)
}
