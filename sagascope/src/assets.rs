//! The web page, embedded by `build.rs` from `target/web/dist`.

/// One file of the page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File {
    /// Path in the URL, such as `/assets/app-1f3c.js`.
    pub(crate) path: &'static str,
    /// As it is.
    pub(crate) bytes: &'static [u8],
    /// Compressed with brotli, when the bundle has it.
    pub(crate) brotli: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/web_files.rs"));

/// The file at a path; `/` is the page itself.
pub(crate) fn find(path: &str) -> Option<&'static File> {
    let path = if path == "/" { "/index.html" } else { path };
    let index = FILES.binary_search_by(|file| file.path.cmp(path)).ok()?;
    Some(&FILES[index])
}

/// Names under `/assets/` carry a hash of the content, so a browser may keep them for ever.
pub(crate) fn is_immutable(path: &str) -> bool {
    path.starts_with("/assets/")
}

/// Media type by extension.
pub(crate) fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_a_page() {
        let page = find("/").expect("index.html is embedded, or the notice in its place");
        assert!(page.bytes.starts_with(b"<!doctype html>") || page.bytes.starts_with(b"<!DOCTYPE html>"));
        assert!(find("/no-such-file").is_none());
    }

    #[test]
    fn files_are_sorted_for_the_search() {
        assert!(FILES.is_sorted_by(|a, b| a.path < b.path));
        assert!(FILES.iter().all(|file| find(file.path).is_some()));
    }

    #[test]
    fn types_and_caching_follow_the_name() {
        assert_eq!(content_type("/assets/app-1f3c.wasm"), "application/wasm");
        assert_eq!(content_type("/assets/no-extension"), "application/octet-stream");
        assert!(is_immutable("/assets/app-1f3c.js"));
        assert!(!is_immutable("/index.html"));
    }
}
