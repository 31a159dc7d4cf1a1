//! A connection without a client's good manners.

use super::{Service, process::PATIENCE};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

pub struct Raw(pub TcpStream);

impl Raw {
    pub async fn connect(service: &Service) -> Self {
        Self(TcpStream::connect(service.url.trim_start_matches("http://")).await.expect("a connection"))
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.expect("a connection that takes bytes");
    }

    /// The head of a request with the admin's token, up to its empty line.
    pub async fn send_head(&mut self, service: &Service, request: &str, headers: &str) {
        let token = &service.token;
        let head = format!("{request} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{headers}\r\n");
        self.send(head).await;
    }

    /// What comes until the service closes the connection.
    pub async fn read_to_end(&mut self) -> String {
        let mut bytes = Vec::new();
        // A reset after the answer ends the connection too.
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await.expect("the connection was left open");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
