//! The service over HTTP.

mod over_http;
