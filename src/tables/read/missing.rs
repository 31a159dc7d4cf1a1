//! Words that people and programs write for a missing value.

/// They mean NULL in a column whose other values have a type, and are text among texts. The empty one is a quoted empty field.
const WORDS: [&str; 36] = [
    "", "-", "--", "---", ".", "..", "?", "–", "—", "NA", "N/A", "n/a", "na", "N.A.", "n.a.", "#N/A", "#NA", "<NA>",
    "NaT", "NULL", "Null", "null", "None", "NONE", "none", "nil", "missing", "Missing", "MISSING", "#NULL!", "#VALUE!",
    "#REF!", "#DIV/0!", "#NUM!", "#NAME?", "\\N",
];
const WORD_BYTES_MAX: usize = 8;

/// Which of the words it is.
pub(super) fn word(text: &[u8]) -> Option<usize> {
    match text {
        text if text.len() > WORD_BYTES_MAX => None,
        text => WORDS.iter().position(|word| word.as_bytes() == text),
    }
}

/// The words of a set of positions, without the empty one.
pub(super) fn words(set: u64) -> impl Iterator<Item = &'static str> {
    WORDS.into_iter().enumerate().filter(move |(at, word)| set & 1 << at != 0 && !word.is_empty()).map(|(_, word)| word)
}
