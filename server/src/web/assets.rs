//! Where the built site is: inside the binary (feature `embed`), or in the folder that the build or `LEPTOS_SITE_ROOT`
//! names.

use std::net::SocketAddr;

use leptos::config::{LeptosOptions, get_configuration};

use crate::settings::Settings;

/// The options Leptos serves the pages with. The text of an error is for the person who starts the server.
pub fn site_options(address: SocketAddr, settings: &Settings) -> Result<LeptosOptions, String> {
    let file = std::path::Path::new("Leptos.toml");
    let path = file.exists().then_some("Leptos.toml");
    let mut options = get_configuration(path).map_err(|error| error.to_string())?.leptos_options;
    options.site_addr = address;
    embedded::unpack(&mut options, settings)?;
    Ok(options)
}

#[cfg(feature = "embed")]
mod embedded {
    use std::{
        io::Write,
        path::{Path, PathBuf},
    };

    use include_dir::{Dir, include_dir};
    use leptos::config::LeptosOptions;
    use sha2::{Digest, Sha256};

    use crate::settings::Settings;

    static SITE: Dir<'_> = include_dir!("$ELECTRONS_SITE_DIR");

    /// Puts the site into `<data>/site-<hash>/`, unless it is there, and points Leptos to it by absolute paths: relative
    /// ones would be looked for beside the executable.
    pub fn unpack(options: &mut LeptosOptions, settings: &Settings) -> Result<(), String> {
        let data = &settings.storage.data_folder;
        let failed = |what: &Path, error: std::io::Error| format!("cannot write {}: {error}", what.display());
        std::fs::create_dir_all(data).map_err(|error| failed(data, error))?;
        let data = data.canonicalize().map_err(|error| failed(data, error))?;
        let target = data.join(format!("site-{}", hash(&SITE)));
        if !target.join("hash.txt").exists() {
            // Written beside and moved into place, so that a half-written site is never served.
            let draft = data.join(format!("site-draft-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&draft);
            write(&SITE, &draft).map_err(|error| failed(&draft, error))?;
            if let Err(error) = std::fs::rename(&draft, &target) {
                let _ = std::fs::remove_dir_all(&draft);
                if !target.join("hash.txt").exists() {
                    return Err(failed(&target, error));
                }
            }
        }
        options.hash_file = text(target.join("hash.txt")).into();
        options.site_root = text(target).into();
        options.hash_files = true;
        options.env = leptos::config::Env::PROD;
        Ok(())
    }

    fn text(path: PathBuf) -> String {
        path.to_string_lossy().into_owned()
    }

    fn write(folder: &Dir<'_>, to: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(to)?;
        for file in folder.files() {
            let name = file.path().file_name().unwrap_or_default();
            std::fs::File::create(to.join(name))?.write_all(file.contents())?;
        }
        for inner in folder.dirs() {
            write(inner, &to.join(inner.path().file_name().unwrap_or_default()))?;
        }
        Ok(())
    }

    fn hash(folder: &Dir<'_>) -> String {
        fn add(folder: &Dir<'_>, sum: &mut Sha256) {
            for file in folder.files() {
                sum.update(file.path().to_string_lossy().as_bytes());
                sum.update(file.contents());
            }
            folder.dirs().for_each(|inner| add(inner, sum));
        }
        let mut sum = Sha256::new();
        add(folder, &mut sum);
        sum.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(not(feature = "embed"))]
mod embedded {
    use leptos::config::LeptosOptions;

    use crate::settings::Settings;

    /// Nothing is inside this binary: the folder that Leptos was told is used.
    pub fn unpack(_options: &mut LeptosOptions, _settings: &Settings) -> Result<(), String> {
        Ok(())
    }
}
