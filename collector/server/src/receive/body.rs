//! Reads a request body: decompressed while it streams in, bounded in wire bytes, decompressed bytes and time.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use flate2::write::{MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header};
use http_body_util::BodyExt;

use super::budget::{Budget, Share};

/// The limit that the OTLP specification recommends, before and after decompression.
pub(crate) const LIMIT: usize = 64 << 20;
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// zstd windows up to 16 MiB; every level but `--ultra` stays below.
const ZSTD_WINDOW_LOG: u32 = 24;

/// Why a body was not read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// Larger than [`LIMIT`].
    #[error("the request is larger than {} MiB", LIMIT >> 20)]
    TooLarge,
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
    #[error("the body did not arrive within {} s", READ_TIMEOUT.as_secs())]
    Slow,
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
    /// From the headers; more than one encoding on top of each other is refused.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, BodyError> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
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

/// The whole body, decompressed, with its part of the budget.
pub(crate) async fn read(body: Body, encoding: Encoding, budget: &Budget) -> Result<(Bytes, Share), BodyError> {
    tokio::time::timeout(READ_TIMEOUT, collect(body, encoding, budget))
        .await
        .map_err(|_| BodyError::Slow)?
}

async fn collect(mut body: Body, encoding: Encoding, budget: &Budget) -> Result<(Bytes, Share), BodyError> {
    let mut decoder = Decoder::new(encoding, Bounded::new(budget.share()))?;
    let mut wire = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyError::Broken(short(&error)))?;
        let Ok(data) = frame.into_data() else { continue };
        wire += data.len();
        if wire > LIMIT {
            return Err(BodyError::TooLarge);
        }
        decoder.write(&data)?;
    }
    decoder.finish()
}

/// Where decompressed bytes go: refuses the first one too many, so a bomb costs no more than the limit.
struct Bounded {
    bytes: Vec<u8>,
    share: Share,
    refused: Option<BodyError>,
}

impl Bounded {
    const fn new(share: Share) -> Self {
        Self {
            bytes: Vec::new(),
            share,
            refused: None,
        }
    }

    fn refuse(&mut self, why: BodyError) -> io::Error {
        self.refused = Some(why);
        io::ErrorKind::OutOfMemory.into()
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > LIMIT {
            return Err(self.refuse(BodyError::TooLarge));
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

enum Decoder {
    Identity(Bounded),
    Gzip(MultiGzDecoder<Bounded>),
    Deflate(ZlibDecoder<Bounded>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Bounded>>),
}

impl Decoder {
    fn new(encoding: Encoding, into: Bounded) -> Result<Self, BodyError> {
        Ok(match encoding {
            Encoding::Identity => Self::Identity(into),
            Encoding::Gzip => Self::Gzip(MultiGzDecoder::new(into)),
            Encoding::Deflate => Self::Deflate(ZlibDecoder::new(into)),
            Encoding::Zstd => {
                let broken = |error: io::Error| BodyError::Broken(error.to_string());
                let mut decoder = zstd::stream::write::Decoder::new(into).map_err(broken)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(broken)?;
                Self::Zstd(Box::new(decoder))
            }
        })
    }

    fn write(&mut self, data: &[u8]) -> Result<(), BodyError> {
        let outcome = match self {
            Self::Identity(into) => into.write_all(data),
            Self::Gzip(decoder) => decoder.write_all(data),
            Self::Deflate(decoder) => decoder.write_all(data),
            Self::Zstd(decoder) => decoder.write_all(data),
        };
        outcome.map_err(|error| self.why(&error))
    }

    fn why(&mut self, error: &io::Error) -> BodyError {
        let bounded = match self {
            Self::Identity(into) => into,
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Deflate(decoder) => decoder.get_mut(),
            Self::Zstd(decoder) => decoder.get_mut(),
        };
        bounded
            .refused
            .take()
            .unwrap_or_else(|| BodyError::Broken(short(error)))
    }

    fn finish(mut self) -> Result<(Bytes, Share), BodyError> {
        let outcome = match &mut self {
            Self::Identity(_) => Ok(()),
            Self::Gzip(decoder) => decoder.try_finish(),
            Self::Deflate(decoder) => decoder.try_finish(),
            Self::Zstd(decoder) => decoder.flush(),
        };
        outcome.map_err(|error| self.why(&error))?;
        let bounded = match self {
            Self::Identity(into) => into,
            Self::Gzip(decoder) => decoder.finish().map_err(|error| BodyError::Broken(short(&error)))?,
            Self::Deflate(decoder) => decoder.finish().map_err(|error| BodyError::Broken(short(&error)))?,
            Self::Zstd(decoder) => decoder.into_inner(),
        };
        Ok((bounded.bytes.into(), bounded.share))
    }
}

/// An error's text, short enough for an answer.
pub(crate) fn short(error: &impl std::fmt::Display) -> String {
    error.to_string().chars().take(300).collect()
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
