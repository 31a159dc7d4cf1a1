//! Who asks: a person with a browser, or a program.

use http::{
    HeaderMap,
    header::{ACCEPT, USER_AGENT},
};

/// Services that show a small picture of a link where somebody wrote it. They take no download, and most of them accept anything.
const LINK_PREVIEWS: [&str; 20] = [
    "bluesky",
    "discordbot",
    "facebookexternalhit",
    "iframely",
    "kakaotalk-scrap",
    "linkedinbot",
    "mastodon",
    "mattermost-bot",
    "redditbot",
    "rocket.chat",
    "skypeuripreview",
    "slackbot",
    "synapse",
    "telegrambot",
    "twitterbot",
    "viber",
    "vkshare",
    "whatsapp",
    "zoombot",
    "zulipurlpreview",
];

/// Whether the answer is for a browser's window: `Accept` names HTML before any other type, or it is to become the preview of a link.
pub fn wants_page(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    let agent = text(USER_AGENT);
    if LINK_PREVIEWS.iter().any(|name| agent.contains(name)) {
        return true;
    }
    let accept = text(ACCEPT);
    // As most programs do.
    if matches!(accept.as_str(), "" | "*/*") {
        return false;
    }
    // A page's own `<img>`, `<video>` or `fetch` is none of a window, whatever it accepts.
    let destination = text(http::HeaderName::from_static("sec-fetch-dest"));
    if !matches!(destination.as_str(), "" | "document" | "iframe" | "frame") {
        return false;
    }
    // Of the named types the best; of equals the first.
    let mut best: Option<(&str, f32)> = None;
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| part.strip_prefix("q=")?.trim().parse().ok()).unwrap_or(1.0);
        // What the HTTP client of Java sends by itself begins with HTML too, and has this range, which is none.
        if name == "*" {
            return false;
        }
        if !name.contains('*') && quality > best.map_or(0.0, |(_, quality)| quality) {
            best = Some((name, quality));
        }
    }
    best.is_some_and(|(name, _)| matches!(name, "text/html" | "application/xhtml+xml"))
}

#[cfg(test)]
mod tests {
    use super::wants_page;
    use http::{HeaderMap, HeaderName, HeaderValue};

    fn asks(pairs: &[(&'static str, &'static str)]) -> bool {
        let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        wants_page(&pairs.collect::<HeaderMap>())
    }

    #[test]
    fn browsers_get_pages_and_programs_get_bytes() {
        let chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8";
        assert!(asks(&[("accept", chrome)]));
        assert!(asks(&[("accept", chrome), ("sec-fetch-dest", "document")]));
        assert!(asks(&[("accept", "text/html")]));
        assert!(asks(&[("accept", "text/csv;q=0.5, text/html")]));
        for agent in [
            "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
            "Synapse (bot; +https://github.com/matrix-org/synapse)",
            "Mattermost-Bot/1.1",
        ] {
            assert!(asks(&[("accept", "*/*"), ("user-agent", agent)]), "{agent}");
        }
        for other in [
            "*/*",
            "",
            "text/csv, text/html;q=0.5",
            "application/json, text/plain, */*",
            "application/json, text/html",
            "text/html;q=0, */*",
            "text/*",
            "image/avif,image/webp,*/*;q=0.8",
            "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
        ] {
            assert!(!asks(&[("accept", other)]), "{other}");
        }
        assert!(!asks(&[]));
        assert!(!asks(&[("accept", chrome), ("sec-fetch-dest", "empty")]));
        assert!(!asks(&[("accept", "*/*"), ("user-agent", "curl/8.5.0")]));
    }
}
