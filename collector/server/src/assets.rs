//! The web page's files, given by the binary that embeds them.

use bytes::Bytes;

/// One file of the page.
#[derive(Clone, Debug)]
pub struct Asset {
    /// As it is.
    pub bytes: Bytes,
    /// Compressed with brotli, for clients that take it.
    pub brotli: Option<Bytes>,
    /// Media type.
    pub content_type: &'static str,
    /// The name carries a hash of the content: a browser may keep it for ever.
    pub immutable: bool,
}

/// Finds files by their exact path, such as `/index.html` or `/assets/app-1f3c.js`.
pub trait Assets: Send + Sync + 'static {
    /// The file at `path`.
    fn find(&self, path: &str) -> Option<Asset>;
}

/// No page: a collector without a browser.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAssets;

impl Assets for NoAssets {
    fn find(&self, _path: &str) -> Option<Asset> {
        None
    }
}

impl<F> Assets for F
where
    F: Fn(&str) -> Option<Asset> + Send + Sync + 'static,
{
    fn find(&self, path: &str) -> Option<Asset> {
        self(path)
    }
}
