//! What the columns of a table hold, in a few words and a small plot each.

use super::chart;
use crate::{
    app::App,
    catalogue::Dataset,
    web::words::{cut, plural},
};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::time::Duration;

/// Statistics that take longer are there when the page is looked at again.
const PATIENCE: Duration = Duration::from_secs(2);
const VALUE_CHARS_MAX: usize = 24;
/// Texts that repeat less often than this are told by how many there are.
const VALUES_NAMED_MAX: u64 = 1000;

#[derive(Deserialize)]
struct Content {
    rows: u64,
    sampled: Option<Sampled>,
    columns: Vec<Summary>,
}

#[derive(Deserialize)]
struct Sampled {
    rows: u64,
}

/// Of one column.
#[derive(Deserialize)]
pub struct Summary {
    nulls: Counted,
    distinct: Option<Counted>,
    min: Option<Box<RawValue>>,
    max: Option<Box<RawValue>>,
    #[serde(default)]
    top: Vec<Top>,
    #[serde(default)]
    histogram: Vec<Bin>,
    /// Of the table; the counts of `top` and `histogram` are of those that were read.
    #[serde(skip)]
    rows: u64,
    #[serde(skip)]
    rows_read: u64,
}

#[derive(Deserialize)]
struct Counted {
    count: u64,
}

#[derive(Deserialize)]
struct Top {
    value: Box<RawValue>,
    count: u64,
}

#[derive(Deserialize)]
struct Bin {
    count: u64,
}

/// One for each column, or none if they are not known soon: the computing goes on, and whoever looks next finds them.
pub async fn summaries(app: &App, dataset: &Dataset) -> Vec<Summary> {
    let statistics = tokio::time::timeout(PATIENCE, app.tables.statistics(dataset)).await;
    let content = statistics.ok().and_then(Result::ok).and_then(|found| serde_json::from_str(&found.content).ok());
    let Some(Content { rows, sampled, columns }) = content else { return Vec::new() };
    let rows_read = sampled.map_or(rows, |sampled| sampled.rows);
    columns.into_iter().map(|summary| Summary { rows, rows_read, ..summary }).collect()
}

impl Summary {
    pub fn render(&self) -> Markup {
        html! {
            @if !self.histogram.is_empty() {
                (self.histogram())
            } @else if let Some(most) = self.top.first() && self.repeats() {
                (self.shares(most))
            } @else if let Some(distinct) = &self.distinct {
                div.ends { span { (plural(distinct.count, "different value")) } }
            }
            @if self.nulls.count > 0 { div.ends { span { (percent(self.nulls.count, self.rows)) " missing" } } }
        }
    }

    /// Whether naming values tells something.
    fn repeats(&self) -> bool {
        let different = self.distinct.as_ref().map_or(0, |distinct| distinct.count);
        different <= VALUES_NAMED_MAX && different.saturating_mul(2) <= self.rows
    }

    fn histogram(&self) -> Markup {
        let counts: Vec<u64> = self.histogram.iter().map(|bin| bin.count).collect();
        let [min, max] = [&self.min, &self.max].map(|value| value.as_deref().map(shown).unwrap_or_default());
        html! {
            (chart::bars(&counts, &format!("Histogram of the values from {min} to {max}")))
            div.ends { span { (min) } span { (max) } }
        }
    }

    fn shares(&self, most: &Top) -> Markup {
        let counts: Vec<u64> = self.top.iter().map(|top| top.count).collect();
        let part = percent(most.count, self.rows_read);
        let value = shown(&most.value);
        html! {
            (chart::shares(&counts, self.rows_read, &format!("{part} of the values are {value}")))
            div.ends { span { (value) } span { (part) } }
        }
    }
}

/// A value of JSON as a person reads it.
fn shown(value: &RawValue) -> String {
    let text = serde_json::from_str::<String>(value.get()).unwrap_or_else(|_| value.get().to_owned());
    let (text, is_cut) = cut(&text, VALUE_CHARS_MAX);
    let text = if text.trim().is_empty() { "(blank)" } else { text };
    if is_cut { format!("{text}…") } else { text.to_owned() }
}

/// Never 0 % of something, nor 100 % of less than all.
fn percent(part: u64, of: u64) -> String {
    let whole = u128::from(part) * 100 / u128::from(of.max(1));
    match whole {
        0 if part > 0 => "under 1%".to_owned(),
        _ => format!("{whole}%"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, Summary, percent};

    fn summary(json: &str) -> String {
        let column: Summary = serde_json::from_str(json).unwrap();
        Summary { rows: 10, rows_read: 10, ..column }.render().into_string()
    }

    #[test]
    fn a_column_is_told_by_a_plot_of_what_it_has() {
        let number = r#"{"nulls":{"count":0},"distinct":{"count":9},"min":1.50,"max":9,"top":[],"histogram":[{"count":1},{"count":2}]}"#;
        let shown = summary(number);
        assert!(shown.contains("aria-label=\"Histogram of the values from 1.50 to 9\""), "{shown}");
        let text = r#"{"nulls":{"count":1},"distinct":{"count":2},"min":"a","max":"b","top":[{"value":"<b>","count":6},{"value":"a","count":3}]}"#;
        let shown = summary(text);
        assert!(shown.contains("<span>&lt;b&gt;</span><span>60%</span>") && shown.contains("10% missing"), "{shown}");
        let ids =
            r#"{"nulls":{"count":0},"distinct":{"count":10},"min":"a","max":"b","top":[{"value":"a","count":1}]}"#;
        assert!(summary(ids).contains("10 different values"));
        let json = r#"{"nulls":{"count":0}}"#;
        assert_eq!(summary(json), "");
    }

    #[test]
    fn statistics_of_a_sample_are_read_too() {
        let content: Content = serde_json::from_str(
            r#"{"version":1,"revision":0,"rows":100,"sampled":{"rows":10,"of":100,"method":"system"},"columns":[]}"#,
        )
        .unwrap();
        assert_eq!((content.rows, content.sampled.unwrap().rows), (100, 10));
        assert_eq!([percent(0, 9), percent(1, 1000), percent(999, 1000)], ["0%", "under 1%", "99%"]);
    }
}
