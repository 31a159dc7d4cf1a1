//! Words that rows are searched for: `q=summer "new york" -rain`.

use crate::{
    catalogue::{Column, text_positions},
    error::{Error, Result},
};

const CHARACTERS_MAX: usize = 1000;

/// What is searched in all text columns together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// As people write them: `"a phrase"`, `-not`, `this or that`.
    pub words: String,
    /// The beginning of one more word: letters and digits alone.
    pub prefix: Option<String>,
    /// Positions of the text columns.
    pub columns: Vec<usize>,
}

impl Search {
    pub fn parse(words: &str, columns: &[Column]) -> Result<Self> {
        let invalid = |detail: &str| Error::invalid("q", detail);
        if words.trim().is_empty() {
            return Err(invalid("it holds no word; leave it out for all rows."));
        }
        if words.contains('\0') || words.chars().count() > CHARACTERS_MAX {
            return Err(Error::invalid(
                "q",
                format!("it is at most {CHARACTERS_MAX} characters, none of them U+0000."),
            ));
        }
        let columns = text_positions(columns);
        if columns.is_empty() {
            return Err(invalid("the table has no text column to search."));
        }
        let (words, prefix) = split_prefix(words);
        Ok(Self { words: words.to_owned(), prefix: prefix.map(str::to_owned), columns })
    }
}

/// Of `old zuri*` the words before and the beginning of the last. With `or` in it there is no saying what the last word stands beside.
fn split_prefix(words: &str) -> (&str, Option<&str>) {
    let split = || {
        let text = words.trim_end().strip_suffix('*')?;
        let start =
            text.rfind(char::is_whitespace).and_then(|at| Some(at + text.get(at..)?.chars().next()?.len_utf8()));
        let (before, last) = text.split_at_checked(start.unwrap_or(0))?;
        let plain = !last.is_empty() && last.chars().all(char::is_alphanumeric);
        let quoted = before.matches('"').count() % 2 == 1;
        let either = before.split_whitespace().any(|word| word.eq_ignore_ascii_case("or"));
        (plain && !quoted && !either).then_some((before, Some(last)))
    };
    split().unwrap_or((words, None))
}

#[cfg(test)]
mod tests {
    use super::{Search, split_prefix};
    use crate::catalogue::{Column, ColumnType};

    #[test]
    fn a_star_behind_the_last_word_makes_it_a_beginning() {
        assert_eq!(split_prefix("zuri*"), ("", Some("zuri")));
        assert_eq!(split_prefix("old  zürí* "), ("old  ", Some("zürí")));
        assert_eq!(split_prefix("a\u{3000}b*"), ("a\u{3000}", Some("b")));
        for whole in ["a* b", "*", "a-b*", "\"a b*", "a or b*", "", "a **", "-b*"] {
            assert_eq!(split_prefix(whole), (whole, None), "{whole}");
        }
    }

    #[test]
    fn a_search_needs_words_and_text() {
        let types = [("n", ColumnType::Bigint), ("a", ColumnType::Text), ("b", ColumnType::Text)];
        let columns = types.map(|(name, column_type)| Column::new(name, column_type));
        assert_eq!(Search::parse("x", &columns).map(|search| search.columns).ok(), Some(vec![1, 2]));
        for (words, columns) in [("", &columns[..]), (" \t", &columns), ("x", &columns[..1]), ("a\0", &columns)] {
            assert!(Search::parse(words, columns).is_err(), "{words:?}");
        }
        assert!(Search::parse(&"x".repeat(1001), &columns).is_err());
    }
}
