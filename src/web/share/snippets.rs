//! Lines that programs read a link by. Addresses are percent-encoded, so no quote can end a text here.

use crate::web::card::Snippet;

pub fn curl(address: &str, protected: bool) -> Snippet {
    let password = if protected { "-u :PASSWORD " } else { "" };
    Snippet { tool: "curl", code: format!("curl -fLO {password}'{address}'") }
}

/// What is JSON is read at once rather than saved.
pub fn curl_to_screen(address: &str, protected: bool) -> Snippet {
    let password = if protected { "-u :PASSWORD " } else { "" };
    Snippet { tool: "curl", code: format!("curl -f {password}'{address}'") }
}

pub fn table_snippets(address: &impl Fn(&str) -> String, protected: bool) -> Vec<Snippet> {
    let (csv, parquet) = (address("csv"), address("parquet"));
    let mut snippets = vec![curl(&csv, protected)];
    if protected {
        let code = format!(
            "import io, requests, pandas as pd\n\nanswer = requests.get(\"{csv}\", auth=(\"\", \"PASSWORD\"))\ndata = pd.read_csv(io.BytesIO(answer.content))"
        );
        snippets.push(Snippet { tool: "pandas", code });
        return snippets;
    }
    snippets.extend([
        Snippet { tool: "pandas", code: format!("import pandas as pd\n\ndata = pd.read_csv(\"{csv}\")") },
        Snippet { tool: "R", code: format!("data <- read.csv(\"{csv}\")") },
        Snippet { tool: "DuckDB", code: format!("select * from read_parquet('{parquet}');") },
    ]);
    snippets
}
