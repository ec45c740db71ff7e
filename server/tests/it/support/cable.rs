//! A way to a PostgreSQL server that can be cut and mended.

use reqwest::Url;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

pub struct Cable {
    /// The server at the other end.
    pub url: String,
    whole: watch::Sender<bool>,
    carrying: JoinHandle<()>,
}

impl Cable {
    pub async fn to(server: &str) -> Self {
        let mut url = Url::parse(server).unwrap();
        let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let (whole, state) = watch::channel(true);
        let carrying = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let (target, mut state) = (target.clone(), state.clone());
                connections.spawn(async move {
                    let carry = async {
                        if let Ok(mut server) = TcpStream::connect(&target).await {
                            let _ = copy_bidirectional(&mut client, &mut server).await;
                        }
                    };
                    tokio::select! {
                        biased;
                        _ = state.wait_for(|whole| !whole) => {}
                        () = carry => {}
                    }
                });
            }
        });
        Self { url: url.into(), whole, carrying }
    }

    /// Ends what goes through, and lets nothing through any more.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}
