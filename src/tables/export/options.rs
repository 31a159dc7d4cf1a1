//! What a caller may ask of a format.

use super::RowFormat;
use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExportOptions {
    /// `excel=true`: the byte order mark by which Excel knows UTF-8.
    pub excel: bool,
    /// `bigint=string`: integers as strings, since JavaScript's numbers are doubles.
    pub bigint_strings: bool,
    /// `formulas=escape`: an apostrophe before the texts that spreadsheets would run.
    pub escape_formulas: bool,
}

impl ExportOptions {
    /// Takes one parameter of a URL; false if it is none of ours.
    pub fn take(&mut self, name: &str, value: &str) -> Result<bool> {
        let (place, [yes, no]) = match name {
            "excel" => (&mut self.excel, ["true", "false"]),
            "bigint" => (&mut self.bigint_strings, ["string", "number"]),
            "formulas" => (&mut self.escape_formulas, ["escape", "keep"]),
            _ => return Ok(false),
        };
        if value != yes && value != no {
            return Err(Error::invalid(name, format!("it must be `{yes}` or `{no}`.")));
        }
        *place = value == yes;
        Ok(true)
    }

    /// # Errors
    /// `Invalid` names an option that `format` does not have.
    pub fn check(self, format: RowFormat) -> Result<()> {
        let separated = matches!(format, RowFormat::Csv | RowFormat::Tsv);
        let json = matches!(format, RowFormat::Json | RowFormat::NdJson);
        for (name, asked, fits, formats) in [
            ("excel", self.excel, separated, "csv and tsv"),
            ("bigint", self.bigint_strings, json, "json and ndjson"),
            ("formulas", self.escape_formulas, separated, "csv and tsv"),
        ] {
            if asked && !fits {
                let detail = format!("it is an option of {formats}, and the answer is {}.", format.extension());
                return Err(Error::invalid(name, detail));
            }
        }
        Ok(())
    }
}
