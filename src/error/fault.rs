//! What Postgres alone finds wrong with a query that was sound by itself. Its own words may quote values, so ours stand for them.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A regular expression that is none.
    Expression,
    /// What `fts` searches for.
    Words,
    LongWord,
    /// A value of the table that is none of the type that it is cast to.
    Cast,
    TooLarge,
    /// U+0000 in JSON.
    Zero,
    /// For one statement.
    TooMuch,
}

impl Fault {
    /// `None` for a code that a query of ours should never have.
    pub fn of_code(code: &str) -> Option<Self> {
        Some(match code {
            "2201B" => Self::Expression,
            "42601" => Self::Words,
            "54000" => Self::LongWord,
            "22007" | "22008" | "22P02" => Self::Cast,
            "22003" => Self::TooLarge,
            "22P05" => Self::Zero,
            "54001" | "54011" => Self::TooMuch,
            _ => return None,
        })
    }

    pub fn sentence(self) -> &'static str {
        match self {
            Self::Expression => "a regular expression is not one that Postgres knows.",
            Self::Words => "the words of a search are not written as its operator asks; `wfts` takes any.",
            Self::LongWord => "a search has a word that is longer than any can be.",
            Self::Cast => "a value of the table is none of the type that it is cast to.",
            Self::TooLarge => "a number of the answer is larger than its type holds; a cast to `numeric` holds any.",
            Self::Zero => "a JSON value of the table holds U+0000, which cannot be compared.",
            Self::TooMuch => {
                "it is more than Postgres takes in one statement: fewer values, conditions or columns to sort by fit."
            }
        }
    }
}
