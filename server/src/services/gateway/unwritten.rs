//! Records that could not be written before the process had to end: they go into a file of the data folder, and the next
//! start takes them in.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use crate::store::{Db, StoreError, requests::RequestRecord};

const PREFIX: &str = "unwritten-";
const SUFFIX: &str = ".jsonl";
const BATCH: usize = 500;

/// Why a file was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum UnwrittenError {
    #[error(transparent)]
    File(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adds records to the file of this moment; only its owner may read it.
pub fn keep(folder: &Path, at_us: i64, records: &[RequestRecord]) -> io::Result<PathBuf> {
    let path = folder.join(format!("{PREFIX}{at_us}{SUFFIX}"));
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = BufWriter::new(options.open(&path)?);
    for record in records {
        serde_json::to_writer(&mut file, record)?;
        file.write_all(b"\n")?;
    }
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(path)
}

/// Writes what earlier processes left behind into the database; how many records. What is there already counts once. A file
/// with a line that cannot be read is set aside after the others of its lines were taken in.
pub async fn take_in(db: &Db, folder: &Path) -> Result<u64, UnwrittenError> {
    let mut taken = 0;
    for path in files(folder)? {
        let (mut batch, mut damaged) = (Vec::new(), 0);
        for line in BufReader::new(File::open(&path)?).lines() {
            match serde_json::from_str::<RequestRecord>(&line?) {
                Ok(record) => batch.push(record),
                Err(_) => damaged += 1,
            }
            if batch.len() == BATCH {
                taken += db.insert_requests(&std::mem::take(&mut batch)).await?;
            }
        }
        taken += db.insert_requests(&batch).await?;
        if damaged == 0 {
            std::fs::remove_file(&path)?;
        } else {
            let aside = path.with_extension("damaged");
            tracing::error!(damaged, file = %aside.display(), "some records of an earlier process cannot be read");
            std::fs::rename(&path, &aside)?;
        }
    }
    Ok(taken)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX)) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{testing, tests::requests::record};

    #[tokio::test]
    async fn what_is_kept_is_taken_in_once() {
        testing::each_db(|db| async move {
            let folder = tempfile::tempdir().unwrap();
            let records: Vec<RequestRecord> = (0..1_200).map(record).collect();
            let path = keep(folder.path(), 7, &records[..700]).unwrap();
            assert_eq!(keep(folder.path(), 7, &records[700..]).unwrap(), path);
            #[cfg(unix)]
            assert_eq!(std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions()) & 0o777, 0o600);
            // Some were written before the process ended.
            db.insert_requests(&records[..10]).await.unwrap();
            assert_eq!(take_in(&db, folder.path()).await.unwrap(), 1_190);
            assert_eq!(take_in(&db, folder.path()).await.unwrap(), 0);
            let id = &records[999].log.request_id;
            assert_eq!(db.request(id).await.unwrap().as_ref(), Some(&records[999].log));
            let contents = db.request_contents(id, 0).await.unwrap();
            assert_eq!(contents, records[999].contents, "also what was said");

            keep(folder.path(), 8, &[record(2_000)]).unwrap();
            let mut file = OpenOptions::new().append(true).open(folder.path().join("unwritten-8.jsonl")).unwrap();
            file.write_all(b"{\"log\": cut").unwrap();
            assert_eq!(take_in(&db, folder.path()).await.unwrap(), 1);
            let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
            assert_eq!(left, ["unwritten-8.damaged"]);
            assert_eq!(take_in(&db, &folder.path().join("missing")).await.unwrap(), 0);
        })
        .await;
    }
}
