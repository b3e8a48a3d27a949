//! Log records: search over those in memory, newest first.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use sagascope_api::Page;
use sagascope_api::logs::LogRow;
use sagascope_core::trace::log_row;

use super::compute;
use super::list::page_in_order;
use super::params::Params;
use crate::app::App;
use crate::problem::Answer;

/// Records looked at by one search, the newest.
const SEARCHED: usize = 200_000;
/// Records that one search finds before pages are cut from them.
const FOUND: usize = 5_000;

/// `GET /api/v1/logs?q=&since=&until=&limit=&cursor=`.
pub(crate) async fn logs(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Answer<Json<Page<LogRow>>> {
    let params = Params::parse(query.as_deref())?;
    compute(&app, move |app| {
        let search = params.search()?;
        let (since, until) = (params.time("since")?, params.time("until")?);
        let records: Vec<_> = app.read().head.recent_logs().take(SEARCHED).cloned().collect();
        let keep = records.into_iter().filter(|log| {
            since.is_none_or(|since| log.at >= since)
                && until.is_none_or(|until| log.at < until)
                && search.matches_log(log)
        });
        let mut found: Vec<_> = keep.take(FOUND).collect();
        found.sort_by_key(|log| std::cmp::Reverse(log.at));
        let page = page_in_order(&params, found)?;
        let items = page.items.iter().map(|log| log_row(log)).collect();
        Ok(Page {
            items,
            next_cursor: page.next_cursor,
        })
    })
    .await
    .map(Json)
}
