//! A child of the demo ends when its supervisor does, however that ends.
//!
//! The supervisor holds the write end of each child's standard input and never writes. When the supervisor dies, even
//! by `kill -9`, the kernel closes that end, the child reads end-of-file, and leaves. No signal and no parent id is
//! needed, so there is no moment at which a child can miss it.

use std::io::Read;

/// Set by the supervisor in the environment of each child.
pub(crate) const VARIABLE: &str = "SAGASCOPE_LIFELINE";

/// Starts the watch when this process is a child of the demo.
pub(crate) fn watch() {
    if std::env::var_os(VARIABLE).is_none() {
        return;
    }
    let watcher = std::thread::Builder::new().name("lifeline".into()).spawn(|| {
        let mut byte = [0_u8; 1];
        let mut input = std::io::stdin().lock();
        loop {
            match input.read(&mut byte) {
                Ok(1..) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => std::process::exit(1),
            }
        }
    });
    if watcher.is_err() {
        // Without the watch this process could outlive the demo: better not to start.
        std::process::exit(1);
    }
}
