//! The pages: what a browser gets where a program gets bytes or JSON.
//!
//! **Invariant.** Pages are written by `maud`, which escapes every text; nothing else makes HTML, and no page has a script or a style of its own.
//! **Invariant.** A page works without scripts, and loads nothing from anywhere but this service.
//!
//! `layout` is the frame and the headers of all pages, `assets` the style and the script, `words` how sizes and times are told, `icon` the pictures. `card` shows one thing
//! (what it is, the ways to take it away), `preview/` what is in it; `share` makes a page of a link, `problem` of an error and of their kinds, `login` asks for a token.

mod assets;
mod card;
mod home;
mod icon;
mod layout;
mod login;
mod negotiate;
mod preview;
mod problem;
mod share;
mod words;

pub use assets::asset;
pub use home::home;
pub use login::login;
pub use negotiate::wants_page;
pub use preview::{Entry, Level};
pub use problem::{problem_as_page, problem_kind, problem_kinds};
pub use share::{Shown, What, share_page};
