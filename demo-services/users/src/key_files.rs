//! Keys of the service: from the environment, or made once and kept in its folder, readable by its owner alone.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use aes_gcm::aead::OsRng;
use aes_gcm::aead::rand_core::RngCore as _;
use anyhow::{Context as _, bail};
use rsa::RsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};

/// Variable with the master key of personal data: 64 hexadecimal digits.
const MASTER_VARIABLE: &str = "SAGASCOPE_PII_KEY";
/// Bits of the key that signs tokens.
const RSA_BITS: usize = 2_048;

/// The master key of personal data.
pub(crate) fn master_key(folder: &Path) -> anyhow::Result<[u8; 32]> {
    if let Some(text) = std::env::var(MASTER_VARIABLE).ok().filter(|text| !text.is_empty()) {
        return from_hex(text.trim()).with_context(|| {
            format!("{MASTER_VARIABLE} must be 64 hexadecimal digits, such as `openssl rand -hex 32`")
        });
    }
    let text = kept(&folder.join("pii.key"), || Ok(random_hex(32)))?;
    from_hex(text.trim()).with_context(|| damaged(&folder.join("pii.key")))
}

/// The key that signs tokens.
pub(crate) fn signing_key(folder: &Path) -> anyhow::Result<RsaPrivateKey> {
    let path = folder.join("jwt.pem");
    let text = kept(&path, || {
        let key = RsaPrivateKey::new(&mut OsRng, RSA_BITS)?;
        Ok(key.to_pkcs8_pem(LineEnding::LF)?.to_string())
    })?;
    RsaPrivateKey::from_pkcs8_pem(&text).with_context(|| damaged(&path))
}

/// The password of the first administrator.
pub(crate) fn admin_password(folder: &Path) -> anyhow::Result<String> {
    kept(&folder.join("admin-password"), || Ok(random_hex(16))).map(|text| text.trim().to_owned())
}

fn damaged(path: &Path) -> String {
    format!(
        "{} is not a key; restore it from a copy, or move the whole folder away to start empty",
        path.display()
    )
}

/// The content of a file that others cannot read; made when it is not there.
fn kept(path: &Path, make: impl FnOnce() -> anyhow::Result<String>) -> anyhow::Result<String> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let mode = fs::metadata(path)?.permissions().mode();
            if mode & 0o077 != 0 {
                bail!(
                    "{path} can be read by others (mode {:o}); run `chmod 600 {path}`",
                    mode & 0o777,
                    path = path.display()
                );
            }
            Ok(text)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let text = make()?;
            write_new(path, &text).with_context(|| format!("{} cannot be written", path.display()))?;
            Ok(text)
        }
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

/// All of the file or nothing: a key cut short by a crash would lock its owner out.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(partial, path)
}

fn random_hex(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    OsRng.fill_bytes(&mut random);
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> anyhow::Result<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        bail!("not 64 hexadecimal digits");
    }
    let mut key = [0; 32];
    for (byte, place) in key.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[place..place + 2], 16)?;
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("pii.key");
        let first = kept(&path, || Ok(random_hex(32))).expect("made");
        assert_eq!(kept(&path, || bail!("made again")).expect("kept"), first);
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("changed");
        let refused = kept(&path, || bail!("made again")).expect_err("refused").to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
    }

    #[test]
    fn a_damaged_key_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().expect("folder");
        write_new(&folder.path().join("pii.key"), "short").expect("written");
        write_new(&folder.path().join("jwt.pem"), "no pem").expect("written");
        for error in [
            master_key(folder.path()).map(drop).expect_err("refused"),
            signing_key(folder.path()).map(drop).expect_err("refused"),
        ] {
            assert!(format!("{error:#}").contains("restore it from a copy"), "{error:#}");
        }
        assert!(from_hex(&"zz".repeat(32)).is_err());
    }
}
