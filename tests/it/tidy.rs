//! What neither the compiler nor clippy looks at: who imports whom, the length of files, and that settings, problems and routes are documented.

use larder::{config::Config, http::PROBLEMS, tables::Options};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

const FILE_LINES_MAX: usize = 400;
const SLICES: [&str; 3] = ["blobs", "tables", "documents"];
/// What stands above the three slices, and so is known to none of them below `http.rs`.
const ABOVE: [&str; 9] = ["app", "base", "http", "router", "serve", "shares", "transfer", "upload", "web"];
/// A route whose path reads otherwise in the reference: a parameter of the router is a whole segment.
const READS: [(&str, &str); 2] =
    [("/v1/tables/{name}/{rows_as}", "/v1/tables/{name}/rows.{format}"), ("/s/{token}/", "/s/{token}")];

struct Source {
    /// Below `src`.
    path: String,
    text: String,
}

impl Source {
    /// Lines that are no comments.
    fn code(&self) -> String {
        self.text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    }

    fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Whether it holds wire types and handlers: a slice's `http.rs`, or the folder of that name.
    fn is_wire(&self) -> bool {
        self.file_name() == "http.rs" || self.path.contains("/http/")
    }

    fn module(&self) -> &str {
        self.path.split('/').next().unwrap_or(&self.path).trim_end_matches(".rs")
    }

    /// The modules of our own crate that it names.
    fn knows(&self) -> BTreeSet<String> {
        let code = self.code();
        let ident = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        let mut known = BTreeSet::new();
        for (at, _) in code.match_indices("crate::") {
            let rest = &code[at + "crate::".len()..];
            match rest.strip_prefix('{') {
                Some(group) => known.extend(top_level(group).iter().map(|part| ident(part.trim_start()))),
                None => _ = known.insert(ident(rest)),
            }
        }
        known
    }
}

/// The parts of `a, b::{c, d}, e}` that are separated by commas outside braces, up to the closing brace.
fn top_level(group: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_i32);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The files below `folder` whose name ends so.
fn files(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            files(&path, endings, found);
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let folder = root().join("src");
    let mut paths = Vec::new();
    files(&folder, &[".rs"], &mut paths);
    let source = |path: &PathBuf| Source {
        path: path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned(),
        text: fs::read_to_string(path).unwrap(),
    };
    paths.iter().map(source).collect()
}

/// Fails with all that is wrong at once.
fn nothing_wrong(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn imports_go_downwards_and_slices_never_import_one_another() {
    let mut wrong = Vec::new();
    for source in sources() {
        let module = source.module();
        let forbidden: Vec<&str> = match module {
            // Its wire types and handlers may use what all handlers use.
            _ if SLICES.contains(&module) => {
                let others = SLICES.into_iter().filter(|slice| *slice != module);
                let above = ABOVE.into_iter().filter(|_| !source.is_wire());
                others.chain(above).collect()
            }
            "catalogue" | "database" | "objects" | "error" | "config" => [&SLICES[..], &ABOVE[..]].concat(),
            "auth" if source.file_name() != "http.rs" => [&SLICES[..], &ABOVE[..]].concat(),
            "http" => SLICES.to_vec(),
            _ => Vec::new(),
        };
        let known = source.knows();
        wrong.extend(
            forbidden
                .iter()
                .filter(|name| known.contains(**name))
                .map(|name| format!("src/{} must not know `{name}`", source.path)),
        );
    }
    nothing_wrong(&wrong);
}

#[test]
fn http_and_the_stores_are_known_only_where_they_belong() {
    let mut wrong = Vec::new();
    for source in sources() {
        let (path, name, code) = (&source.path, source.file_name(), source.code());
        let below = |folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
        let speaks_http = source.is_wire()
            || below(&["http/", "web/", "embedded/"])
            || ["base.rs", "health.rs", "router.rs", "serve.rs"].contains(&path.as_str());
        // The slice of documents is its store, in several files. `config.rs` has a type that is a column too.
        let speaks_to_a_store = name == "store.rs"
            || path.contains("/store/")
            || (below(&["documents/"]) && name != "http.rs")
            || below(&["catalogue/", "database/", "embedded/", "objects/", "shares/store/"])
            || ["app.rs", "config.rs", "tables/copy.rs", "tables/fetch.rs", "tables/rows.rs"].contains(&path.as_str());
        for (allowed, words) in [(speaks_http, &["axum::"][..]), (speaks_to_a_store, &["aws_sdk_", "sqlx::"])] {
            let known = words.iter().filter(|word| !allowed && code.contains(**word));
            wrong.extend(known.map(|word| format!("src/{path} must not know `{word}`")));
        }
    }
    nothing_wrong(&wrong);
}

#[test]
fn files_hold_one_idea_each_and_no_unfinished_marks() {
    let marks =
        [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["todo", "!("].concat(), ["unimplemented", "!("].concat()];
    let mut paths = vec![root().join("test.sh"), root().join("Cargo.toml")];
    for folder in ["src", "tests", "migrations"] {
        files(&root().join(folder), &[".rs", ".py", ".sql"], &mut paths);
    }
    let mut wrong = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX && shown.starts_with("src/") {
            wrong.push(format!("{shown} has {lines} lines, more than {FILE_LINES_MAX}: split it by idea"));
        }
        wrong.extend(marks.iter().filter(|mark| text.contains(*mark)).map(|mark| format!("{shown} says `{mark}`")));
    }
    nothing_wrong(&wrong);
}

#[test]
fn every_setting_stands_in_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains("larder --help"), "README.md names `larder --help` as the reference of the settings");
    let missing = Config::environment_names().into_iter().filter(|name| !readme.contains(&format!("`{name}`")));
    nothing_wrong(&missing.map(|name| format!("README.md does not name the setting `{name}`")).collect::<Vec<_>>());
}

#[test]
fn every_problem_is_explained_and_every_explanation_is_of_a_problem() {
    let source = fs::read_to_string(root().join("src/http/problem/describe.rs")).unwrap();
    let body = |function: &str| {
        let start = source.find(&format!("fn {function}(")).unwrap();
        let end = source[start..].find("\n}\n").unwrap();
        source[start..start + end].to_owned()
    };
    let (describe, limit_slug) = (body("describe"), body("limit_slug"));
    let of_errors = describe.match_indices("\", json!").filter_map(|(at, _)| describe[..at].rsplit('"').next());
    let of_limits = limit_slug.match_indices("=> \"").filter_map(|(at, _)| limit_slug[at + 4..].split('"').next());
    let used: BTreeSet<&str> = of_errors.chain(of_limits).collect();
    let listed: BTreeSet<&str> = PROBLEMS.iter().map(|kind| kind.slug).collect();
    assert!(used.len() > 20, "the slugs are no longer found in src/http/problem/describe.rs");
    assert_eq!(used, listed);
    assert_eq!(listed.len(), PROBLEMS.len(), "a slug stands twice in PROBLEMS");
    let short = PROBLEMS.iter().filter(|kind| kind.explanation.len() < 20 || !kind.explanation.ends_with('.'));
    nothing_wrong(&short.map(|kind| format!("`{}` is not explained by a sentence", kind.slug)).collect::<Vec<_>>());
}

#[test]
fn every_route_is_in_the_reference_and_nothing_else_is() {
    let router = fs::read_to_string(root().join("src/router.rs")).unwrap();
    let reference = reference();
    let mut documented = BTreeMap::new();
    for (path, item) in reference["paths"].as_object().expect("`paths` in openapi.json") {
        let methods = item.as_object().unwrap().keys().filter(|key| METHODS.contains(&key.as_str()));
        documented.insert(path.clone(), methods.cloned().collect::<BTreeSet<_>>());
    }
    let mut routes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (method, path) in routes_of(&router) {
        routes.entry(path).or_default().insert(method);
    }
    assert!(routes.len() > 20, "the routes are no longer found in src/router.rs");
    assert_eq!(routes, documented);
}

#[test]
fn the_reference_lists_every_problem_and_every_parameter_of_reading() {
    let reference = reference();
    let problems = &reference["components"]["schemas"]["Problem"]["properties"]["type"]["enum"];
    let problems: Vec<&str> = problems.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(problems, PROBLEMS.iter().map(|kind| format!("/problems/{}", kind.slug)).collect::<Vec<_>>());
    for (path, method) in [
        ("/", "put"),
        ("/", "post"),
        ("/{path}", "put"),
        ("/v1/tables/{name}", "put"),
        ("/v1/tables/{name}/rows", "post"),
    ] {
        let listed = reference["paths"][path][method]["parameters"].as_array().unwrap();
        let named = listed.iter().filter_map(|parameter| {
            let resolved = parameter["$ref"].as_str().and_then(|at| reference.pointer(at.strip_prefix('#')?));
            resolved.unwrap_or(parameter)["name"].as_str()
        });
        let named: Vec<&str> = named.collect();
        let missing = Options::NAMES.into_iter().filter(|name| !named.contains(name));
        assert_eq!(missing.collect::<Vec<_>>(), Vec::<&str>::new(), "{method} {path}");
    }
}

fn reference() -> Value {
    serde_json::from_str(&fs::read_to_string(root().join("src/http/openapi.json")).unwrap()).unwrap()
}

/// Without HEAD, which every GET brings along.
const METHODS: [&str; 5] = ["delete", "get", "patch", "post", "put"];

/// The methods and paths of `.route("path", get(…).post(…))`, as the reference writes them.
fn routes_of(router: &str) -> Vec<(String, String)> {
    let mut routes = Vec::new();
    for (at, _) in router.match_indices(".route(") {
        let mut quoted = router[at..].split('"');
        let path = quoted.nth(1).unwrap();
        let handlers = until_closed(quoted.next().unwrap());
        let reads = READS.iter().find(|(route, _)| *route == path);
        let reads = reads.map_or_else(|| path.replace("{*", "{"), |(_, reads)| (*reads).to_owned());
        for method in METHODS {
            let is_word = |at: usize| !handlers[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            if handlers.match_indices(&format!("{method}(")).any(|(at, _)| is_word(at)) {
                routes.push((method.to_owned(), reads.clone()));
            }
        }
    }
    routes
}

/// The text up to the parenthesis that closes the call it stands in.
fn until_closed(text: &str) -> &str {
    let mut depth = 0_i32;
    let end = text.find(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth < 0
    });
    &text[..end.unwrap_or(text.len())]
}
