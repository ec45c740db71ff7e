//! Encrypts what is secret before it is stored: XChaCha20-Poly1305, with the name of the thing as associated data, so that
//! a sealed text is of no use in another row.

use std::{io::Write, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};

use ring::hmac;

use crate::{clock::random_bytes, providers::Secret};

/// Seals and opens secrets with the server's key.
#[derive(Clone)]
pub struct Vault {
    cipher: XChaCha20Poly1305,
    /// A key of its own for what is derived.
    deriving: hmac::Key,
}

#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("secrets.encryption_key must be 32 bytes in base64; `openssl rand -base64 32` makes one")]
    Key,
    #[error("the key file {path} cannot be used: {reason}")]
    File { path: String, reason: String },
    /// Another key, another name, or a damaged text.
    #[error("a stored secret cannot be opened with this server's key")]
    Open,
    #[error("a secret cannot be sealed")]
    Seal,
}

impl Vault {
    /// With a key of 32 bytes in base64.
    pub fn with_key(key: &Secret) -> Result<Self, VaultError> {
        let bytes = STANDARD.decode(key.reveal().trim()).map_err(|_| VaultError::Key)?;
        let cipher = XChaCha20Poly1305::new_from_slice(&bytes).map_err(|_| VaultError::Key)?;
        let own = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &bytes), b"electrons: derived secrets");
        Ok(Self { cipher, deriving: hmac::Key::new(hmac::HMAC_SHA256, own.as_ref()) })
    }

    /// With the key in a file, which is made (readable by its owner only) when it is absent.
    pub fn with_file(path: &Path) -> Result<Self, VaultError> {
        let failed =
            |error: std::io::Error| VaultError::File { path: path.display().to_string(), reason: error.to_string() };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(path) {
            Ok(mut file) => {
                let key = STANDARD.encode(random_bytes::<32>());
                file.write_all(key.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
                Self::with_key(&Secret::new(&key))
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let key = std::fs::read_to_string(path).map_err(failed)?;
                Self::with_key(&Secret::new(&key)).map_err(|_| VaultError::File {
                    path: path.display().to_string(),
                    reason: "it does not hold 32 bytes in base64".to_owned(),
                })
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// `base64(nonce):base64(ciphertext)`. `name` must be the same when it is opened.
    pub fn seal(&self, name: &str, secret: &Secret) -> Result<String, VaultError> {
        let nonce = random_bytes::<24>();
        let payload = Payload { msg: secret.reveal().as_bytes(), aad: name.as_bytes() };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::Seal)?;
        Ok(format!("{}:{}", STANDARD.encode(nonce), STANDARD.encode(sealed)))
    }

    /// A secret that follows from the server's key and these names: the same on every server, and kept nowhere.
    pub fn derive(&self, names: &[&str]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.deriving);
        for name in names {
            // Lengths keep names apart.
            context.update(&(name.len() as u64).to_be_bytes());
            context.update(name.as_bytes());
        }
        let mut secret = [0; 32];
        secret.copy_from_slice(context.sign().as_ref());
        secret
    }

    pub fn open(&self, name: &str, sealed: &str) -> Result<Secret, VaultError> {
        let (nonce, text) = sealed.split_once(':').ok_or(VaultError::Open)?;
        let nonce: [u8; 24] =
            STANDARD.decode(nonce).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(VaultError::Open)?;
        let text = STANDARD.decode(text).map_err(|_| VaultError::Open)?;
        let payload = Payload { msg: &text, aad: name.as_bytes() };
        let open = self.cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::Open)?;
        String::from_utf8(open).map(|text| Secret::new(&text)).map_err(|_| VaultError::Open)
    }
}

/// The name under which an instance's key of a provider is sealed.
pub fn provider_key(instance_id: &str, provider_id: &str) -> String {
    format!("provider_keys:{instance_id}:{provider_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_under_its_name_and_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/key");
        let vault = Vault::with_file(&path).unwrap();
        let sealed = vault.seal("a", &Secret::new("sk-1")).unwrap();
        assert!(!sealed.contains("sk-1"));
        assert_ne!(sealed, vault.seal("a", &Secret::new("sk-1")).unwrap());
        assert_eq!(Vault::with_file(&path).unwrap().open("a", &sealed).unwrap().reveal(), "sk-1");
        assert!(matches!(vault.open("b", &sealed), Err(VaultError::Open)));
        let other = Vault::with_file(&folder.path().join("other")).unwrap();
        assert!(matches!(other.open("a", &sealed), Err(VaultError::Open)));
        assert!(matches!(vault.open("a", "nonsense"), Err(VaultError::Open)));
        assert_eq!(vault.derive(&["a", "b"]), Vault::with_file(&path).unwrap().derive(&["a", "b"]));
        let others =
            [vault.derive(&["ab"]), vault.derive(&["a", "c"]), vault.derive(&["", "ab"]), other.derive(&["a", "b"])];
        assert!(!others.contains(&vault.derive(&["a", "b"])));
        assert!(matches!(Vault::with_key(&Secret::new("short")), Err(VaultError::Key)));
    }
}
