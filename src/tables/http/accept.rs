//! The format of rows, from `Accept`.

use crate::{
    error::{Error, Result},
    tables::RowFormat,
};
use http::{HeaderMap, header::ACCEPT};
use std::cmp::Reverse;

/// What an answer's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Rows(RowFormat),
    /// `{"rows":[…],"next":"…"}`
    Page,
}

impl Shape {
    const PAGE: &str = "application/vnd.larder.page+json";

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Rows(format) => format.content_type(),
            Self::Page => Self::PAGE,
        }
    }

    /// The names under which a client may ask for it.
    fn media_types(self) -> &'static [&'static str] {
        match self {
            Self::Rows(format) => format.media_types(),
            Self::Page => &[Self::PAGE],
        }
    }

    pub fn format(self) -> RowFormat {
        match self {
            Self::Rows(format) => format,
            Self::Page => RowFormat::Json,
        }
    }

    pub fn extension(self) -> &'static str {
        match self {
            Self::Rows(format) => format.extension(),
            Self::Page => "json",
        }
    }
}

/// The shape that the client likes best of those there are: each has the quality of the most specific range that covers it (RFC 9110, section 12.5.1); of
/// equals the one that is named first, and of those covered by one range the default.
pub fn accepted(headers: &HeaderMap, default: RowFormat) -> Result<Shape> {
    let lines: Vec<_> = headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok()).collect();
    let ranges: Vec<_> = lines.iter().flat_map(|line| line.split(',')).map(media_range).collect();
    if ranges.iter().all(|(range, _)| range.is_empty()) {
        return Ok(Shape::Rows(default));
    }
    let mut best: Option<(f32, usize, Shape)> = None;
    let formats = [default].into_iter().chain(RowFormat::ALL).map(Shape::Rows);
    for shape in formats.chain([Shape::Page]) {
        let covering = ranges.iter().enumerate().filter_map(|(at, (range, quality))| {
            let specificity = specificity(range, shape)?;
            Some((specificity, at, *quality))
        });
        let Some((_, at, quality)) = covering.max_by_key(|(specificity, at, _)| (*specificity, Reverse(*at))) else {
            continue;
        };
        let better = best.is_none_or(|(best, first, _)| quality.total_cmp(&best).then(first.cmp(&at)).is_gt());
        if quality > 0.0 && better {
            best = Some((quality, at, shape));
        }
    }
    best.map(|(_, _, shape)| shape).ok_or_else(|| {
        let names: Vec<_> = RowFormat::ALL.iter().filter_map(|format| format.media_types().first().copied()).collect();
        Error::NotAcceptable { detail: format!("rows come as {} or {}.", names.join(", "), Shape::PAGE) }
    })
}

fn media_range(text: &str) -> (String, f32) {
    let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
    let range = parts.next().unwrap_or_default();
    (range, parts.find_map(|part| part.strip_prefix("q=")?.trim().parse().ok()).unwrap_or(1.0))
}

/// How closely a media range describes a shape, if it covers it.
fn specificity(range: &str, shape: Shape) -> Option<u8> {
    let kind = |name: &str| name.split('/').next() == range.strip_suffix("/*");
    match range {
        "*/*" => Some(0),
        _ if shape.media_types().iter().any(|name| kind(name)) => Some(1),
        _ => shape.media_types().contains(&range).then_some(2),
    }
}
