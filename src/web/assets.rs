//! The style and the script of all pages. Their names carry a hash of what is in them, so a browser asks for each once and never shows an old one.

use crate::{
    error::Error,
    http::{Path, Problem},
};
use http::{
    HeaderName,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

pub struct Asset {
    /// Such as `style-1f2e3d4c5b6a.css`.
    name: String,
    content_type: &'static str,
    content: &'static str,
}

static ASSETS: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        Asset::new("style", "css", "text/css; charset=utf-8", include_str!("assets/style.css")),
        Asset::new("page", "js", "text/javascript; charset=utf-8", include_str!("assets/page.js")),
        Asset::new("icon", "svg", "image/svg+xml", include_str!("assets/icon.svg")),
    ]
});

impl Asset {
    fn new(stem: &str, extension: &str, content_type: &'static str, content: &'static str) -> Self {
        let hash = hex::encode(&Sha256::digest(content)[..6]);
        Self { name: format!("{stem}-{hash}.{extension}"), content_type, content }
    }

    fn path(&self) -> String {
        format!("/assets/{}", self.name)
    }
}

pub fn style() -> String {
    ASSETS[0].path()
}

pub fn script() -> String {
    ASSETS[1].path()
}

pub fn icon() -> String {
    ASSETS[2].path()
}

type Served = ([(HeaderName, &'static str); 2], &'static str);

/// `GET /assets/{name}`
pub async fn asset(Path(name): Path<String>) -> Result<Served, Problem> {
    let asset = ASSETS.iter().find(|asset| asset.name == name).ok_or(Error::NotFound { what: "asset" })?;
    let headers = [(CONTENT_TYPE, asset.content_type), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    Ok((headers, asset.content))
}
