//! Small plots, drawn by the server as SVG.

use maud::{Markup, html};

/// Of the drawing, which is stretched to its place.
const WIDTH: u64 = 1000;
const HEIGHT: u64 = 100;

/// A bar for each count, the highest as high as the plot; what is there at all can be seen.
pub fn bars(counts: &[u64], label: &str) -> Markup {
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let slot = WIDTH / (counts.len() as u64).max(1);
    let bars = (0_u64..).zip(counts).map(|(at, count)| {
        let height = scaled(*count, most, HEIGHT).max(u64::from(*count > 0) * 4);
        (at * slot, HEIGHT - height, height)
    });
    html! {
        svg.plot viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(label) {
            @for (x, y, height) in bars { rect x=(x) y=(y) width=(slot.saturating_sub(slot / 10).max(1)) height=(height) {} }
        }
    }
}

/// One line, divided as the counts divide `of`; what is left of it stands apart.
pub fn shares(counts: &[u64], of: u64, label: &str) -> Markup {
    let parts = counts.iter().scan(0, |before, count| {
        let start = scaled(*before, of, WIDTH);
        *before += count;
        Some((start, scaled(*before, of, WIDTH).saturating_sub(start)))
    });
    html! {
        svg.plot viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(label) {
            rect.rest x="0" y="60" width=(WIDTH) height="40" {}
            @for (x, width) in parts { rect x=(x) y="60" width=(width.saturating_sub(6).max(1)) height="40" {} }
        }
    }
}

fn scaled(part: u64, of: u64, length: u64) -> u64 {
    u64::try_from(u128::from(part) * u128::from(length) / u128::from(of.max(1))).unwrap_or(length).min(length)
}

#[cfg(test)]
mod tests {
    use super::{bars, shares};

    #[test]
    fn bars_stand_beside_one_another_and_the_highest_fills_the_plot() {
        let drawn = bars(&[1, 0, 1000, 500], "x").into_string();
        for bar in [
            r#"<rect x="0" y="96" width="225" height="4">"#,
            r#"<rect x="250" y="100" width="225" height="0">"#,
            r#"<rect x="500" y="0" width="225" height="100">"#,
            r#"<rect x="750" y="50" width="225" height="50">"#,
        ] {
            assert!(drawn.contains(bar), "{drawn}");
        }
        assert!(bars(&[], "x").into_string().contains("</svg>"));
        assert!(bars(&[u64::MAX, 1], "x").into_string().contains(r#"height="100""#));
    }

    #[test]
    fn shares_divide_a_line() {
        let drawn = shares(&[5, 2], 10, "x").into_string();
        assert!(drawn.contains(r#"<rect x="0" y="60" width="494" height="40">"#), "{drawn}");
        assert!(drawn.contains(r#"<rect x="500" y="60" width="194" height="40">"#), "{drawn}");
    }
}
