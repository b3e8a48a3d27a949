//! Embeds the web page that `cargo xtask build` left in `target/web/dist`, or a notice when there is none.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const NOTICE: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Sagascope</title>\
<h1>Sagascope</h1><p>This binary was built without the web page. Build both with <code>cargo xtask build</code>.</p></html>\n";

fn main() -> io::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let dist = env::var_os("SAGASCOPE_WEB_DIST").map_or_else(|| default_dist(&out), PathBuf::from);
    println!("cargo::rerun-if-env-changed=SAGASCOPE_WEB_DIST");
    println!("cargo::rerun-if-changed=build.rs");
    // A watched path that is absent makes every build start over; an empty folder does not.
    fs::create_dir_all(&dist)?;
    println!("cargo::rerun-if-changed={}", dist.display());

    let mut files = Vec::new();
    collect(&dist, &dist, &mut files)?;
    if !files.iter().any(|(path, _)| path == "/index.html") {
        let notice = out.join("index.html");
        fs::write(&notice, NOTICE)?;
        files = vec![("/index.html".to_owned(), notice)];
    }
    files.sort();
    fs::write(out.join("web_files.rs"), table(&files))
}

/// `web/dist` in the target folder, which is the one with cargo's cache tag.
fn default_dist(out: &Path) -> PathBuf {
    let target = out
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists())
        .unwrap_or(out);
    target.join("web/dist")
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if path.extension().is_none_or(|extension| extension != "br") {
            let relative = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .to_string_lossy()
                .replace('\\', "/");
            files.push((format!("/{relative}"), path));
        }
    }
    Ok(())
}

fn table(files: &[(String, PathBuf)]) -> String {
    let mut source = String::from("static FILES: &[File] = &[\n");
    for (path, file) in files {
        let mut compressed = file.clone().into_os_string();
        compressed.push(".br");
        let compressed = PathBuf::from(compressed);
        let brotli = if compressed.exists() {
            format!("Some(include_bytes!({compressed:?}))")
        } else {
            "None".to_owned()
        };
        let _ = writeln!(
            source,
            "    File {{ path: {path:?}, bytes: include_bytes!({file:?}), brotli: {brotli} }},"
        );
    }
    source.push_str("];\n");
    source
}
