//! How requests leave this process: over sockets, or through the network of a simulation.

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http::{Request, Response};

/// Why there is no answer. Whether the request was heard is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Nobody listens there.
    #[error("cannot be reached")]
    Unreachable,
    /// It ended too early.
    #[error("the connection broke")]
    Cut,
    /// The request is none.
    #[error("the request is malformed")]
    Malformed,
    /// The answer is longer than the caller takes.
    #[error("longer than {0} bytes")]
    TooLong(usize),
}

/// What carries a request to its answer in a simulation.
pub type Exchange = dyn Fn(Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, Broken>> + Send + Sync;

/// See the module. A cheap clone.
#[derive(Clone)]
pub struct Transport(Way);

#[derive(Clone)]
enum Way {
    Sockets(reqwest::Client),
    Simulated(Arc<Exchange>),
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Way::Sockets(_) => "Transport::Sockets",
            Way::Simulated(_) => "Transport::Simulated",
        })
    }
}

impl From<reqwest::Client> for Transport {
    fn from(client: reqwest::Client) -> Self {
        Self(Way::Sockets(client))
    }
}

impl Transport {
    /// Requests go to `exchange`.
    #[must_use]
    pub fn simulated(exchange: Arc<Exchange>) -> Self {
        Self(Way::Simulated(exchange))
    }

    /// Sends a request with an absolute URL; reads an answer of up to `longest` bytes. There is no time limit in here.
    ///
    /// # Errors
    /// See [`Broken`].
    pub async fn exchange(&self, request: Request<Bytes>, longest: usize) -> Result<Response<Bytes>, Broken> {
        match &self.0 {
            Way::Sockets(client) => over_sockets(client, request, longest).await,
            Way::Simulated(exchange) => {
                let answer = exchange(request).await?;
                if answer.body().len() > longest {
                    return Err(Broken::TooLong(longest));
                }
                Ok(answer)
            }
        }
    }
}

async fn over_sockets(
    client: &reqwest::Client,
    request: Request<Bytes>,
    longest: usize,
) -> Result<Response<Bytes>, Broken> {
    let request = reqwest::Request::try_from(request).map_err(|_| Broken::Malformed)?;
    let mut response = client.execute(request).await.map_err(|error| broken(&error))?;
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error))? {
        if body.len() + chunk.len() > longest {
            return Err(Broken::TooLong(longest));
        }
        body.extend_from_slice(&chunk);
    }
    let mut answer = Response::new(body.freeze());
    *answer.status_mut() = response.status();
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    Ok(answer)
}

fn broken(error: &reqwest::Error) -> Broken {
    if error.is_connect() {
        Broken::Unreachable
    } else {
        Broken::Cut
    }
}
