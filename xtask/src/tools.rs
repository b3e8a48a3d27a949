//! The tools around cargo: found, installed when that is simple, or named in one line.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

const WASM: &str = "wasm32-unknown-unknown";
/// Names under which the browser is known.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Cargo in the workspace, quiet about its own environment.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

/// Makes sure that the wasm target is there.
pub(crate) fn wasm_target() -> Result<()> {
    if has_wasm_target()? {
        return Ok(());
    }
    eprintln!("The page needs the Rust target {WASM}; adding it …");
    let added = Command::new("rustup").args(["target", "add", WASM]).status();
    if added.is_ok_and(|status| status.success()) && has_wasm_target()? {
        return Ok(());
    }
    bail!("the Rust target {WASM} is missing; add it with `rustup target add {WASM}` or your system's package of it")
}

/// Asks the compiler itself: a toolchain need not come from rustup.
fn has_wasm_target() -> Result<bool> {
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--print", "target-libdir", "--target", WASM])
        .stderr(Stdio::null())
        .output()
        .context("cannot run rustc")?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let entries = std::fs::read_dir(folder);
    Ok(entries.is_ok_and(|mut entries| entries.next().is_some()))
}

/// The browser's program file.
pub(crate) fn browser() -> Option<PathBuf> {
    let named = std::env::var_os("SAGASCOPE_BROWSER")
        .map(PathBuf::from)
        .filter(|path| path.is_file());
    named.or_else(|| BROWSERS.iter().find_map(|name| on_path(name)))
}

/// Makes sure that a browser and Node.js are there.
pub(crate) fn browser_and_node() -> Result<()> {
    let mut missing = Vec::new();
    if browser().is_none() {
        missing.push("chromium");
    }
    if on_path("node").is_none() {
        missing.push("nodejs");
    }
    if on_path("npm").is_none() {
        missing.push("npm");
    }
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    if is_root() && on_path("apt-get").is_some() {
        eprintln!("The browser story needs {packages}; installing …");
        if apt_install(&missing) {
            return Ok(());
        }
    }
    bail!("the browser story needs {packages}: sudo apt-get install {packages}")
}

fn apt_install(packages: &[&str]) -> bool {
    let run = |arguments: &[&str]| {
        Command::new("apt-get")
            .args(arguments)
            .args(if arguments[0] == "install" { packages } else { &[] })
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    run(&["update", "-q"]) && run(&["install", "-qy", "--no-install-recommends"])
}

/// Makes an environment of Python's in `folder` with what `requirements` names, unless it is there.
pub(crate) fn python_packages(folder: &Path, requirements: &Path) -> Result<()> {
    // The list is copied last, so it stands for all that was installed.
    let installed = folder.join("requirements.txt");
    let wanted = std::fs::read(requirements)?;
    if std::fs::read(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let must = |command: &mut Command| {
        let status = command.stdout(Stdio::null()).status();
        anyhow::ensure!(
            status.is_ok_and(|status| status.success()),
            "tests with programs of Python need Python 3 with venv, and its package index: sudo apt-get install python3-venv"
        );
        Ok(())
    };
    must(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    must(
        Command::new(folder.join("bin/pip"))
            .args(["install", "--quiet", "-r"])
            .arg(requirements),
    )?;
    std::fs::write(installed, wanted).context("cannot note what was installed")
}

/// Installs what `package-lock.json` names, unless `package` is there.
pub(crate) fn npm_packages(folder: &Path, package: &str) -> Result<()> {
    let package = folder.join("node_modules").join(package).join("package.json");
    if package.is_file() {
        return Ok(());
    }
    let status = Command::new("npm")
        .args([
            "ci",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--loglevel",
            "error",
        ])
        .current_dir(folder)
        .stdout(Stdio::null())
        .status()
        .context("cannot run npm")?;
    anyhow::ensure!(status.success(), "`npm ci` failed in {}", folder.display());
    Ok(())
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    // Our own entry in /proc belongs to the user we run as.
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}
