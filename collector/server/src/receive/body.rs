//! Reads a request body and decompresses it, bounded in wire bytes, decompressed bytes and time.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::AsHeaderName;
use http_body_util::BodyExt;

use super::aside::aside;
use super::budget::Share;

/// The limit that the OTLP specification recommends, before and after decompression.
pub(crate) const LIMIT: usize = 64 << 20;
/// Of a body that is refused, the rest is read and discarded, up to so much and for so long.
pub(crate) const LINGER_BYTES: usize = 8 << 20;
const LINGER: Duration = Duration::from_secs(2);
/// Bodies above this are decompressed off the async threads.
const DECOMPRESS_ASIDE: usize = 64 << 10;
/// zstd windows up to 16 MiB; every level but `--ultra` stays below.
const ZSTD_WINDOW_LOG: u32 = 24;

/// Why a body was not read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// Larger than so many bytes: [`LIMIT`], or what there is memory for.
    #[error("the request is larger than {} KiB", .0 >> 10)]
    TooLarge(usize),
    /// The budget is used up.
    #[error("too much is under way")]
    Busy,
    /// An encoding we do not know.
    #[error("content encoding is none of identity, gzip, deflate, zstd")]
    Encoding,
    /// The bytes do not decompress, or the connection broke.
    #[error("the body cannot be read: {0}")]
    Broken(String),
    /// Too slow.
    #[error("the request did not arrive within {} s", .0.as_secs_f32())]
    Slow(Duration),
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Deflate,
    Zstd,
}

impl Encoding {
    /// From the header of this name; more than one encoding on top of each other is refused.
    pub(crate) fn of(headers: &HeaderMap, name: impl AsHeaderName) -> Result<Self, BodyError> {
        let mut values = headers.get_all(name).iter();
        let Some(value) = values.next() else {
            return Ok(Self::Identity);
        };
        if values.next().is_some() {
            return Err(BodyError::Encoding);
        }
        match value.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "" | "identity" | "none" => Ok(Self::Identity),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "deflate" | "zlib" => Ok(Self::Deflate),
            "zstd" => Ok(Self::Zstd),
            _ => Err(BodyError::Encoding),
        }
    }
}

/// The whole body, decompressed, with its part of the budget, which `share` begins.
pub(crate) async fn read(
    mut body: Body,
    encoding: Encoding,
    share: Share,
    within: Duration,
) -> Result<(Bytes, Share), BodyError> {
    let limit = share.request_max();
    match collect(&mut body, limit, share, within, |_| Ok(())).await {
        Ok((wire, share)) => unpack(encoding, wire, share).await,
        Err(BodyError::Busy) => {
            linger(body).await;
            Err(BodyError::Busy)
        }
        Err(error) => Err(error),
    }
}

/// The body as it was sent, up to `limit` bytes; `check` sees what there is of it after each part.
pub(crate) async fn collect(
    body: &mut Body,
    limit: usize,
    share: Share,
    within: Duration,
    check: impl Fn(&[u8]) -> Result<(), BodyError>,
) -> Result<(Bytes, Share), BodyError> {
    tokio::time::timeout(within, collect_slowly(body, limit, share, check))
        .await
        .map_err(|_| BodyError::Slow(within))?
}

async fn collect_slowly(
    body: &mut Body,
    limit: usize,
    mut share: Share,
    check: impl Fn(&[u8]) -> Result<(), BodyError>,
) -> Result<(Bytes, Share), BodyError> {
    let mut wire = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyError::Broken(short(&error)))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if wire.len() + data.len() > limit {
            return Err(BodyError::TooLarge(share.request_max()));
        }
        share.grow(data.len()).map_err(|_| BodyError::Busy)?;
        wire.extend_from_slice(&data);
        check(&wire)?;
    }
    Ok((wire.into(), share))
}

/// Decompressed; a large one off the async threads.
pub(crate) async fn unpack(encoding: Encoding, wire: Bytes, share: Share) -> Result<(Bytes, Share), BodyError> {
    if encoding == Encoding::Identity || wire.is_empty() {
        return Ok((wire, share));
    }
    if wire.len() <= DECOMPRESS_ASIDE {
        return decompress(encoding, &wire, share);
    }
    let task = aside(move || decompress(encoding, &wire, share)).await;
    task.map_err(|error| BodyError::Broken(short(&error)))?
}

/// Reads on and keeps nothing, for a while: a client that is still writing would find its connection broken and never see
/// the answer.
pub(crate) async fn linger(body: Body) {
    // Best effort: the answer is the same when the rest does not come.
    let _ = tokio::time::timeout(LINGER, discard(body)).await;
}

async fn discard(mut body: Body) {
    let mut left = LINGER_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let len = frame.data_ref().map_or(0, Bytes::len);
        let Some(rest) = left.checked_sub(len) else {
            return;
        };
        left = rest;
    }
}

/// With reading decoders: they notice a stream that ends too early.
fn decompress(encoding: Encoding, wire: &[u8], share: Share) -> Result<(Bytes, Share), BodyError> {
    let mut into = Bounded {
        bytes: Vec::new(),
        share,
        refused: None,
    };
    let outcome = match encoding {
        Encoding::Identity => into.write_all(wire),
        Encoding::Gzip => io::copy(&mut MultiGzDecoder::new(wire), &mut into).map(drop),
        Encoding::Deflate => io::copy(&mut ZlibDecoder::new(wire), &mut into).map(drop),
        Encoding::Zstd => unzstd(wire, &mut into),
    };
    match outcome {
        Ok(()) => {
            // The compressed bytes go now.
            into.share.settle(into.bytes.len()).map_err(|_| BodyError::Busy)?;
            Ok((into.bytes.into(), into.share))
        }
        Err(error) => Err(into.refused.unwrap_or_else(|| BodyError::Broken(short(&error)))),
    }
}

fn unzstd(wire: &[u8], into: &mut Bounded) -> io::Result<()> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(wire)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG)?;
    io::copy(&mut decoder, into).map(drop)
}

/// Where decompressed bytes go: refuses the first one too many, so a bomb costs no more than the limit.
struct Bounded {
    bytes: Vec<u8>,
    share: Share,
    refused: Option<BodyError>,
}

impl Bounded {
    fn refuse(&mut self, why: BodyError) -> io::Error {
        self.refused = Some(why);
        io::ErrorKind::OutOfMemory.into()
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let limit = self.share.request_max();
        if self.bytes.len() + bytes.len() > limit {
            return Err(self.refuse(BodyError::TooLarge(limit)));
        }
        if self.share.grow(bytes.len()).is_err() {
            return Err(self.refuse(BodyError::Busy));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An error's text, short enough for an answer.
pub(crate) fn short(error: &impl std::fmt::Display) -> String {
    error.to_string().chars().take(300).collect()
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
