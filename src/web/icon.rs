//! Pictures of a few lines, drawn in the colour of the text around them.

use maud::{Markup, PreEscaped, html};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icon {
    Jar,
    Audio,
    Clock,
    Copy,
    Document,
    Down,
    Download,
    File,
    Folder,
    Lock,
    Picture,
    Question,
    Table,
    Text,
    Upload,
    Video,
    Warning,
}

impl Icon {
    fn lines(self) -> &'static str {
        match self {
            Self::Jar => {
                r#"<path d="M7 3h10M8 3v3M16 3v3M8 6c-2 1-3 2-3 4v8a3 3 0 0 0 3 3h8a3 3 0 0 0 3-3v-8c0-2-1-3-3-4z"/><path d="M5 13c3-2 5 2 8 0s4 0 6 0"/>"#
            }
            Self::Audio => {
                r#"<path d="M9 18V6l11-2v12"/><circle cx="6.5" cy="18" r="2.5"/><circle cx="17.5" cy="16" r="2.5"/>"#
            }
            Self::Clock => r#"<circle cx="12" cy="12" r="9"/><path d="M12 7v5l3 2"/>"#,
            Self::Copy => {
                r#"<rect x="9" y="9" width="11" height="11" rx="2"/><path d="M5 15a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1h9a1 1 0 0 1 1 1"/>"#
            }
            Self::Document => {
                r#"<path d="M9 4c-2 0-3 1-3 3v2c0 2-1 3-2.500 3C5 12 6 13 6 15v2c0 2 1 3 3 3M15 4c2 0 3 1 3 3v2c0 2 1 3 2.500 3-1.500 0-2.500 1-2.500 3v2c0 2-1 3-3 3"/>"#
            }
            Self::Down => r#"<path d="m6 9 6 6 6-6"/>"#,
            Self::Download => r#"<path d="M12 4v11m-5-5 5 5 5-5M5 20h14"/>"#,
            Self::File => {
                r#"<path d="M14 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8z"/><path d="M14 3v5h5"/>"#
            }
            Self::Folder => {
                r#"<path d="M4 20a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1h5l2 3h9a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1z"/>"#
            }
            Self::Lock => r#"<rect x="5" y="11" width="14" height="10" rx="2"/><path d="M8 11V8a4 4 0 0 1 8 0v3"/>"#,
            Self::Picture => {
                r#"<rect x="3" y="4" width="18" height="16" rx="2"/><circle cx="8.500" cy="9.500" r="1.500"/><path d="m4 18 5-5 4 4 3-3 4 4"/>"#
            }
            Self::Question => {
                r#"<circle cx="12" cy="12" r="9"/><path d="M9.500 9.500a2.500 2.500 0 1 1 3.500 2.300c-.7.4-1 .9-1 1.700M12 17h.01"/>"#
            }
            Self::Table => r#"<rect x="3" y="4" width="18" height="16" rx="2"/><path d="M3 10h18M3 15h18M10 10v10"/>"#,
            Self::Text => {
                r#"<path d="M14 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8z"/><path d="M14 3v5h5M9 13h6M9 17h6"/>"#
            }
            Self::Upload => r#"<path d="M12 15V4m5 5-5-5-5 5M5 20h14"/>"#,
            Self::Video => r#"<rect x="3" y="5" width="18" height="14" rx="2"/><path d="m10 9 5 3-5 3z"/>"#,
            Self::Warning => r#"<path d="M12 4 2.500 20h19z"/><path d="M12 10v4M12 17h.01"/>"#,
        }
    }

    /// Beside a word that says the same: readers of the screen pass over it.
    pub fn draw(self) -> Markup {
        html! {
            svg viewBox="0 0 24 24" width="24" height="24" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false" {
                (PreEscaped(self.lines()))
            }
        }
    }
}
