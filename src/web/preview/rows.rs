//! The first rows of a table, under what its columns hold.

use super::{
    pane,
    summary::{Summary, summaries},
};
use crate::{
    app::App,
    catalogue::{Column, ColumnType, Dataset},
    error::{Error, Result},
    tables::{
        ExportOptions, RowFormat, RowQuery,
        http::{Asked, Shape, serve_rows},
    },
    web::words::{cut, number, plural},
};
use futures::StreamExt;
use http::{HeaderMap, Method};
use maud::{Markup, html};

const ROWS_MAX: u64 = 25;
const COLUMNS_MAX: usize = 50;
const CELL_CHARS_MAX: usize = 300;
/// Of rows that are read for a preview: cells can be large.
const ROWS_BYTES_MAX: usize = 1 << 20;

/// A row of cells, NULL apart from an empty text.
type Cells = Vec<Option<String>>;

/// `fixed` is the query that a link is bound to. What the columns hold is told of whole tables alone: of a part it would tell of the rest.
pub async fn table(app: &App, dataset: &Dataset, fixed: &[(String, String)]) -> Result<Markup> {
    let mut pairs = fixed.to_vec();
    let limit = pairs.iter().position(|(name, _)| name == "limit").map(|at| pairs.swap_remove(at).1);
    let limit = limit.and_then(|limit| limit.parse().ok()).unwrap_or(u64::MAX).min(ROWS_MAX);
    pairs.push(("limit".to_owned(), limit.to_string()));
    let mut asked = Asked::parse(pairs)?;
    // Of the format that the link gives, which is not ours.
    asked.options = ExportOptions::default();
    let columns = RowQuery::parse(&dataset.current()?.columns, &asked.parameters)?.columns();
    let summaries = if fixed.is_empty() { summaries(app, dataset).await } else { Vec::new() };
    let rows = first_rows(app, dataset, asked).await?;
    let rows_of_all = fixed.is_empty().then_some(dataset.current()?.row_count);
    Ok(pane("Preview", &render(&columns, &summaries, &rows, rows_of_all)))
}

async fn first_rows(app: &App, dataset: &Dataset, asked: Asked) -> Result<Vec<Cells>> {
    let shape = Shape::Rows(RowFormat::Csv);
    let answer = serve_rows(app, dataset.clone(), (shape, &asked), "", &Method::GET, &HeaderMap::new()).await?;
    let mut body = answer.into_body().into_data_stream();
    let mut text = Vec::new();
    while let Some(chunk) = body.next().await {
        text.extend_from_slice(&chunk.map_err(Error::internal)?);
        if text.len() > ROWS_BYTES_MAX {
            text.truncate(ROWS_BYTES_MAX);
            break;
        }
    }
    let mut rows = parse(&String::from_utf8_lossy(&text));
    // The names, which the columns have too.
    rows.drain(..rows.len().min(1));
    Ok(rows)
}

fn render(columns: &[Column], summaries: &[Summary], rows: &[Cells], rows_of_all: Option<u64>) -> Markup {
    let hidden = columns.len().saturating_sub(COLUMNS_MAX);
    let more = rows_of_all.is_none_or(|all| all > rows.len() as u64);
    html! {
        div.scroll tabindex="0" role="region" aria-label="First rows" {
            table.grid {
                thead {
                    tr {
                        @for (at, column) in columns.iter().take(COLUMNS_MAX).enumerate() {
                            th scope="col" {
                                (column.name) span.type { (column.column_type.name()) }
                                @if let Some(summary) = summaries.get(at) { (summary.render()) }
                            }
                        }
                    }
                }
                tbody { @for row in rows { tr { @for (cell, column) in row.iter().zip(columns).take(COLUMNS_MAX) { (cell_of(cell.as_deref(), column)) } } } }
            }
        }
        p.foot {
            @match (rows.len() as u64, more) {
                (0, _) => "There are no rows.",
                (shown, true) => { "The first " (plural(shown, "row")) @if let Some(all) = rows_of_all { " of " (number(all)) } "." },
                (shown, false) => { "All " (plural(shown, "row")) "." },
            }
            @if hidden > 0 { " " (plural(hidden as u64, "more column")) " not shown." }
        }
    }
}

fn cell_of(cell: Option<&str>, column: &Column) -> Markup {
    let numeric = matches!(column.column_type, ColumnType::Bigint | ColumnType::Numeric | ColumnType::Double);
    html! {
        @match cell {
            None => td.null { "null" },
            Some(text) => td class=[numeric.then_some("n")] { (cut(text, CELL_CHARS_MAX).0) @if cut(text, CELL_CHARS_MAX).1 { "…" } },
        }
    }
}

/// Our own CSV; a last row that was cut off is left out.
fn parse(text: &str) -> Vec<Cells> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                quoted = true;
                while let Some(c) = chars.next() {
                    if c == '"' && chars.next_if_eq(&'"').is_none() {
                        break;
                    }
                    cell.push(c);
                }
            }
            ',' | '\n' => {
                let is_null = !std::mem::take(&mut quoted) && cell.is_empty();
                row.push(Some(std::mem::take(&mut cell)).filter(|_| !is_null));
                if c == '\n' {
                    rows.push(std::mem::take(&mut row));
                }
            }
            c => cell.push(c),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::{parse, render};
    use crate::catalogue::{Column, ColumnType};

    #[test]
    fn rows_are_read_as_they_were_written() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            parse("a,b\n1,\"x,\"\"y\"\"\n\"\n,\"\"\n2,cut o"),
            [vec![text("a"), text("b")], vec![text("1"), text("x,\"y\"\n")], vec![None, text("")]]
        );
        assert_eq!(parse("a\n\"never closed\n"), [vec![text("a")]]);
    }

    #[test]
    fn names_and_cells_are_escaped_and_what_is_left_out_is_told() {
        let columns = [Column::new("<i>", ColumnType::Text), Column::new("n", ColumnType::Bigint)];
        let page = render(&columns, &[], &[vec![Some("<script>".to_owned()), None]], Some(3)).into_string();
        assert!(page.contains("<th scope=\"col\">&lt;i&gt;<span class=\"type\">text</span>"), "{page}");
        assert!(page.contains("<td>&lt;script&gt;</td><td class=\"null\">null</td>"), "{page}");
        assert!(page.contains("The first 1 row of 3."), "{page}");
        let wide: Vec<_> = (0..60).map(|at| Column::new(&at.to_string(), ColumnType::Bigint)).collect();
        let page = render(&wide, &[], &[vec![Some("1".to_owned()); 60]], Some(1)).into_string();
        assert!(page.contains("All 1 row. 10 more columns not shown."), "{page}");
        assert_eq!(page.matches("<td class=\"n\">").count(), 50);
    }
}
