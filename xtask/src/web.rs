//! Builds the web page: wasm by cargo, bindings by wasm-bindgen in process, hashed names, brotli copies.
//!
//! The result is `target/web/dist/`: `index.html` and `assets/*`, each also as `*.br` (not in `--dev`).

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

const TARGET: &str = "wasm32-unknown-unknown";
/// Style sheets in the order they are joined.
const STYLES: &[&str] = &["tokens.css", "layout.css", "parts.css", "pages.css"];
/// The page is meant to stay below this, brotli-compressed and all files together.
const BUDGET_BYTES: usize = 600_000;

/// Builds `target/web/dist` under `root` and tells the folder. `dev` trades size for build time.
pub(crate) fn build(root: &Path, dev: bool) -> Result<PathBuf> {
    let dist = root.join("target/web/dist");
    let raw = fs::read(compile(root, dev)?).context("cannot read the compiled page")?;
    let sources = Sources::read(&root.join("dashboard-web"))?;
    let stamp = root.join("target/web/stamp");
    let wanted = format!("{dev} {}", sources.hash(&raw));
    if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) && dist.join("index.html").is_file() {
        return Ok(dist);
    }
    let bundle = sources.bundle(bind(raw)?);
    bundle.write(&dist, dev)?;
    fs::write(&stamp, wanted)?;
    Ok(dist)
}

/// Runs cargo for wasm in a target folder of its own, so that it never waits for, or spoils, the host's build.
fn compile(root: &Path, dev: bool) -> Result<PathBuf> {
    let folder = root.join("target/web-build");
    let profile = if dev { "dev" } else { "web" };
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args([
            "build",
            "--locked",
            "--package",
            "sagascope-web",
            "--target",
            TARGET,
            "--profile",
            profile,
        ])
        .arg("--target-dir")
        .arg(&folder)
        // Settings meant for the host's build do not fit wasm.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("CARGO_TARGET_DIR")
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        bail!("the web page does not build (is the target there? `rustup target add {TARGET}`)");
    }
    let named = if dev { "debug" } else { "web" };
    Ok(folder.join(TARGET).join(named).join("sagascope_web.wasm"))
}

/// The page's program: its JavaScript glue and the wasm it loads.
struct Program {
    glue: String,
    /// Modules of dependencies, by the path under which the glue imports them.
    snippets: Vec<(String, String)>,
    wasm: Vec<u8>,
}

fn bind(raw: Vec<u8>) -> Result<Program> {
    let mut output = Bindgen::new()
        .input_bytes("sagascope", raw)
        .web(true)?
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate_output()
        .context("wasm-bindgen failed")?;
    let inline = output.snippets().iter().flat_map(|(owner, texts)| {
        let named = move |(n, text): (usize, &String)| (format!("./snippets/{owner}/inline{n}.js"), text.clone());
        texts.iter().enumerate().map(named)
    });
    let files = output
        .local_modules()
        .iter()
        .map(|(path, text)| (format!("./snippets/{path}"), text.clone()));
    let mut snippets: Vec<_> = inline.chain(files).collect();
    snippets.sort();
    Ok(Program {
        glue: output.js().to_owned(),
        snippets,
        wasm: output.wasm_mut().emit_wasm(),
    })
}

/// What is written by hand, read from `dashboard-web`.
struct Sources {
    index: String,
    boot: String,
    icon: String,
    style: String,
}

impl Sources {
    fn read(folder: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let styles: Result<Vec<String>> = STYLES.iter().map(|name| read(&format!("style/{name}"))).collect();
        Ok(Self {
            index: read("index.html")?,
            boot: read("boot.js")?,
            icon: read("icon.svg")?,
            style: squeeze(&styles?.join("\n")),
        })
    }

    fn hash(&self, raw: &[u8]) -> String {
        let texts = [&self.index, &self.boot, &self.icon, &self.style].map(|text| hash(text.as_bytes()));
        format!("{} {}", texts.join(" "), hash(raw))
    }

    /// Gives every file its hashed name, and the names to those who refer to them.
    fn bundle(self, program: Program) -> Bundle {
        let mut assets = Vec::new();
        let mut add = |stem: &str, ext: &str, bytes: Vec<u8>| {
            let name = format!("{stem}-{}.{ext}", hash(&bytes));
            let url = format!("/assets/{name}");
            assets.push((name, bytes));
            url
        };
        let wasm = add("sagascope", "wasm", program.wasm);
        let mut glue = program.glue;
        for (path, text) in program.snippets {
            let url = add("part", "js", text.into_bytes());
            glue = glue.replace(&path, &url);
        }
        let glue = add("sagascope", "js", glue.into_bytes());
        let style = add("style", "css", self.style.into_bytes());
        let icon = add("icon", "svg", self.icon.into_bytes());
        let fill = |text: &str| text.replace("{{glue}}", &glue).replace("{{wasm}}", &wasm);
        let boot = add("boot", "js", fill(&self.boot).into_bytes());
        let index = fill(&self.index)
            .replace("{{style}}", &style)
            .replace("{{icon}}", &icon)
            .replace("{{boot}}", &boot);
        Bundle {
            index: index.into_bytes(),
            assets,
        }
    }
}

/// The finished files.
struct Bundle {
    index: Vec<u8>,
    assets: Vec<(String, Vec<u8>)>,
}

impl Bundle {
    fn write(&self, dist: &Path, dev: bool) -> Result<()> {
        if dist.exists() {
            fs::remove_dir_all(dist).with_context(|| format!("cannot clear {}", dist.display()))?;
        }
        fs::create_dir_all(dist.join("assets"))?;
        let mut compressed = 0;
        let assets = self
            .assets
            .iter()
            .map(|(name, bytes)| (format!("assets/{name}"), bytes));
        for (name, bytes) in assets.chain([("index.html".to_owned(), &self.index)]) {
            let path = dist.join(&name);
            fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
            if !dev {
                let small = brotli(bytes)?;
                compressed += small.len();
                fs::write(dist.join(format!("{name}.br")), small)?;
            }
        }
        if !dev {
            println!(
                "web page: {} kB, brotli {} kB",
                self.bytes() / 1_000,
                compressed / 1_000
            );
        }
        if compressed > BUDGET_BYTES {
            bail!("the web page is {compressed} bytes compressed, above its budget of {BUDGET_BYTES}");
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.index.len() + self.assets.iter().map(|(_, bytes)| bytes.len()).sum::<usize>()
    }
}

fn brotli(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut writer = brotli::CompressorWriter::new(Vec::new(), 1 << 16, 11, 24);
    writer.write_all(bytes)?;
    writer.flush()?;
    Ok(writer.into_inner())
}

/// Drops comments, indents and empty lines from a style sheet.
fn squeeze(css: &str) -> String {
    let mut kept = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, after)) = rest.split_once("/*") {
        kept.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    let lines: Vec<&str> = kept.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

/// FNV-1a in hex: names a content for caches, keeps nobody out.
fn hash(bytes: &[u8]) -> String {
    let fold = |state: u64, byte: &u8| (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold))
}

/// Rebuilds in dev mode whenever a file of the page or of what it is made from changes; ends with Ctrl-C.
pub(crate) fn watch(root: &Path) -> Result<()> {
    let mut seen = None;
    loop {
        let newest = ["dashboard-web", "collector/api/src", "collector/conventions/src"]
            .iter()
            .filter_map(|folder| newest(&root.join(folder)))
            .max();
        if newest != seen {
            seen = newest;
            let started = Instant::now();
            match build(root, true) {
                Ok(dist) => println!("built {} in {:.1} s", dist.display(), started.elapsed().as_secs_f64()),
                Err(error) => eprintln!("{error:#}"),
            }
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn newest(folder: &Path) -> Option<std::time::SystemTime> {
    let entries = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    entries
        .filter(|entry| entry.file_name() != "node_modules")
        .filter_map(|entry| {
            let kind = entry.file_type().ok()?;
            if kind.is_dir() {
                newest(&entry.path())
            } else {
                entry.metadata().ok()?.modified().ok()
            }
        })
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Sources {
        Sources {
            index: "{{style}} {{icon}} {{boot}} {{glue}} {{wasm}}".into(),
            boot: "import('{{glue}}'); '{{wasm}}'".into(),
            icon: "<svg/>".into(),
            style: squeeze("a { /* why */\n  color: red;\n\n}"),
        }
    }

    fn program(wasm: &[u8]) -> Program {
        Program {
            glue: "import './snippets/a/inline0.js'".into(),
            snippets: vec![("./snippets/a/inline0.js".into(), "export {}".into())],
            wasm: wasm.to_vec(),
        }
    }

    #[test]
    fn every_name_in_the_page_is_a_file_of_the_bundle() {
        let bundle = sources().bundle(program(b"one"));
        let index = String::from_utf8(bundle.index).unwrap();
        let names: Vec<&str> = index.split(' ').collect();
        assert_eq!(names.len(), 5);
        for name in names {
            assert!(
                bundle
                    .assets
                    .iter()
                    .any(|(asset, _)| format!("/assets/{asset}") == name),
                "{name}"
            );
        }
    }

    #[test]
    fn another_content_has_another_name_and_so_has_whoever_refers_to_it() {
        let names = |wasm: &[u8]| String::from_utf8(sources().bundle(program(wasm)).index).unwrap();
        let (one, two) = (names(b"one"), names(b"two"));
        let differing = one.split(' ').zip(two.split(' ')).map(|(a, b)| a != b);
        // style and icon stay, boot and wasm change, glue stays.
        assert_eq!(differing.collect::<Vec<_>>(), [false, false, true, false, true]);
    }

    #[test]
    fn style_sheets_lose_comments_and_indents_only() {
        assert_eq!(sources().style, "a {\ncolor: red;\n}");
        assert_eq!(squeeze("a /* open"), "a");
    }

    #[test]
    fn modules_of_dependencies_are_imported_by_their_hashed_name() {
        let bundle = sources().bundle(program(b"one"));
        let glue = bundle
            .assets
            .iter()
            .find(|(_, bytes)| bytes.starts_with(b"import"))
            .unwrap();
        let url = String::from_utf8(glue.1.clone()).unwrap();
        let name = url.split('\'').nth(1).unwrap();
        assert!(
            bundle
                .assets
                .iter()
                .any(|(asset, _)| format!("/assets/{asset}") == name),
            "{url}"
        );
    }
}
