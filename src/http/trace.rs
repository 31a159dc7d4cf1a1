//! The trace that a request belongs to: W3C Trace Context, so that our log joins those of the services around us.

use http::HeaderMap;
use uuid::{Uuid, fmt::Simple};

/// Ids in lower-case hexadecimal: 32 digits of a trace, 16 of a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    pub trace_id: String,
    /// Ours.
    pub span_id: String,
    /// The caller's span, if it sent one.
    pub parent_id: Option<String>,
}

impl Trace {
    /// Goes on with the trace of `traceparent`, or begins one where there is none that can be read.
    pub fn of(headers: &HeaderMap) -> Self {
        let sent = headers.get("traceparent").and_then(|value| parse(value.to_str().ok()?));
        let (trace_id, parent_id) = sent.unzip();
        // They need not be secret, and an id of only zeros is none.
        let mut made = [0; Simple::LENGTH];
        let mut random = || Uuid::from_u128(fastrand::u128(1 << 64..)).simple().encode_lower(&mut made).to_owned();
        let trace_id = trace_id.unwrap_or_else(&mut random);
        let mut span_id = random();
        span_id.truncate(16);
        Self { trace_id, span_id, parent_id }
    }
}

/// The ids of trace and parent. A later version may say more behind what version 00 has.
fn parse(value: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = value.split('-').collect();
    let [version, trace, parent, flags, rest @ ..] = &parts[..] else { return None };
    let hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let named = |text: &str, digits: usize| hex(text, digits) && text.bytes().any(|byte| byte != b'0');
    let known = hex(version, 2) && *version != "ff" && (*version != "00" || rest.is_empty());
    (known && named(trace, 32) && named(parent, 16) && hex(flags, 2))
        .then(|| ((*trace).to_owned(), (*parent).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::parse;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    #[test]
    fn a_traceparent_is_read_as_the_standard_says_and_a_malformed_one_is_none() {
        let found = Some((TRACE.to_owned(), PARENT.to_owned()));
        for good in ["00-{T}-{P}-01", "00-{T}-{P}-00", "cc-{T}-{P}-01", "cc-{T}-{P}-01-what-the-future-brings"] {
            assert_eq!(parse(&good.replace("{T}", TRACE).replace("{P}", PARENT)), found, "{good}");
        }
        for bad in [
            "",
            "00",
            "00-{T}-{P}",
            "00-{T}-{P}-01-more",
            "ff-{T}-{P}-01",
            "0-{T}-{P}-01",
            "00-{T}-{P}-1",
            "00-{T}-{P}-0g",
            "00-{T}0-{P}-01",
            "00-{T}-{P}0-01",
            "00-{P}-{T}-01",
            "00-00000000000000000000000000000000-{P}-01",
            "00-{T}-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-{P}-01",
            " 00-{T}-{P}-01",
            "00 {T} {P} 01",
        ] {
            assert_eq!(parse(&bad.replace("{T}", TRACE).replace("{P}", PARENT)), None, "{bad}");
        }
    }
}
