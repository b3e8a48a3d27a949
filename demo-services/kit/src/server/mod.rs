//! The HTTP side of a service: its accept loop, and what happens around each request.

mod accept;
mod requests;

pub(crate) use accept::serve;
pub(crate) use requests::{Requests, around};
