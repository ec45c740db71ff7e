//! The binary as people start it.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Output, Stdio},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use super::{PATIENCE, Place};

/// A running `electrons serve`.
pub struct Server {
    child: Child,
    pub base_url: String,
    /// Only a first start tells these.
    pub api_key: Option<String>,
    pub sign_in_url: Option<String>,
}

/// `electrons` in a folder, with nothing in its environment but what is needed.
pub fn electrons(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_electrons"));
    command.args(arguments).current_dir(folder).env_clear().kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The same with the settings that make it use this place.
pub fn electrons_at(place: &Place, arguments: &[&str]) -> Command {
    let mut command = electrons(place.folder.path(), arguments);
    command
        .env("DATABASE_URL", &place.url)
        .env("ELECTRONS__SERVER__ADDRESS", "127.0.0.1:0")
        .env("ELECTRONS__STORAGE__DATA_FOLDER", place.folder.path())
        .env("ELECTRONS__SIMULATION__FIRST_BYTE_MS", "0")
        .env("ELECTRONS__SIMULATION__PER_TOKEN_MS", "0")
        .env("ELECTRONS__LOG__LEVEL", "warn");
    command
}

/// Runs a command to its end.
pub async fn run(mut command: Command) -> Output {
    timeout(PATIENCE, command.output()).await.expect("the command ends").unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

impl Server {
    /// Starts and waits for its address.
    pub async fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut server = Self { child, base_url: String::new(), api_key: None, sign_in_url: None };
        let greeting = async {
            // Whichever line comes last: the curl example of a first start, or how to sign in.
            while let Some(line) = lines.next_line().await.unwrap() {
                let value = |name: &str| line.trim().strip_prefix(name).map(|rest| rest.trim().to_owned());
                server.base_url = value("address ").unwrap_or(std::mem::take(&mut server.base_url));
                server.api_key = value("api key ").or(server.api_key.take());
                server.sign_in_url = value("sign-in ").or(server.sign_in_url.take());
                if line.contains("-d '{") || line.starts_with("To sign in:") {
                    return true;
                }
            }
            false
        };
        if !timeout(PATIENCE, greeting).await.expect("the server starts") {
            let mut errors = String::new();
            server.child.stderr.take().unwrap().read_to_string(&mut errors).await.unwrap();
            panic!("the server ended: {errors}");
        }
        // Nobody must be blocked by a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        if let Some(mut errors) = server.child.stderr.take() {
            tokio::spawn(async move { tokio::io::copy(&mut errors, &mut tokio::io::sink()).await });
        }
        server
    }

    pub async fn at(place: &Place) -> Self {
        Self::start(electrons_at(place, &["serve"])).await
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("the server runs")
    }

    /// Sends a signal: `TERM`, `INT`, `KILL`.
    pub fn signal(&self, name: &str) {
        let sent = std::process::Command::new("sh").args(["-c", &format!("kill -{name} {}", self.pid())]).status();
        assert!(sent.unwrap().success());
    }

    /// How it ended.
    pub async fn ended(mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait()).await.expect("the server ends").unwrap()
    }

    pub async fn stop(self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }
}

/// A file in a folder.
pub fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}
