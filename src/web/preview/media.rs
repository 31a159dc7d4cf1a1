//! Pictures, sounds, films and PDFs: shown by the browser itself, from bytes of our own origin.

use super::pane;
use crate::catalogue::Version;
use maud::{Markup, html};

/// A picture or a PDF is loaded whole, before anybody asks for it.
const LOADED_BYTES_MAX: u64 = 50 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    Picture,
    Audio,
    Video,
    Pdf,
}

impl Media {
    /// What browsers know how to show, by its type. An SVG in an `<img>` neither runs nor loads anything.
    pub fn of(version: &Version) -> Option<Self> {
        let essence = version.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        Some(match essence.as_str() {
            "image/png"
            | "image/jpeg"
            | "image/gif"
            | "image/webp"
            | "image/avif"
            | "image/svg+xml"
            | "image/bmp"
            | "image/x-icon"
            | "image/vnd.microsoft.icon" => Self::Picture,
            "audio/mpeg" | "audio/ogg" | "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/flac" | "audio/aac"
            | "audio/mp4" | "audio/m4a" | "audio/x-m4a" | "audio/webm" | "audio/opus" => Self::Audio,
            "video/mp4" | "video/webm" | "video/ogg" | "video/x-m4v" => Self::Video,
            "application/pdf" => Self::Pdf,
            _ => return None,
        })
        .filter(|media| matches!(media, Self::Audio | Self::Video) || version.size_bytes <= LOADED_BYTES_MAX)
    }

    pub fn render(self, address: &str, title: &str) -> Markup {
        let content = html! {
            div.media {
                @match self {
                    Self::Picture => img src=(address) alt=(title) decoding="async";
                    Self::Audio => audio controls preload="metadata" src=(address) aria-label=(title) {}
                    Self::Video => video controls preload="metadata" playsinline src=(address) aria-label=(title) {}
                    // What is in it is for a browser that has no viewer, as most on phones.
                    Self::Pdf => object type="application/pdf" data=(address) aria-label=(title) {
                        p.empty { "This browser shows no PDF within a page. " a href=(address) { "Open it by itself" } "." }
                    }
                }
            }
        };
        pane("Preview", &content)
    }
}
