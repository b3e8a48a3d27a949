//! The rim of the collector: receive, pipeline, query, live, control.
