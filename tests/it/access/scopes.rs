//! What scopes permit, and which of them lie within others.

use crate::support::shared;
use larder::{
    auth::{Action, Scopes, resource},
    catalogue::Kind,
};
use proptest::{collection::vec, prelude::*, sample::select};

fn scopes(texts: &[&str]) -> Scopes {
    Scopes::parse(texts).unwrap_or_else(|error| panic!("{texts:?}: {error}"))
}

#[test]
fn a_scope_permits_its_action_on_what_its_pattern_matches() {
    use Action::{Admin, Read, Share, Write};
    use Kind::{Blob, Collection, Table};
    for (scope, action, kind, name, permitted) in [
        ("read:tables/sales-*", Read, Table, "sales-2026", true),
        ("read:tables/sales-*", Read, Table, "sales-", true),
        ("read:tables/sales-*", Read, Table, "sale", false),
        ("read:tables/sales-*", Read, Collection, "sales-2026", false),
        ("read:tables/sales-*", Write, Table, "sales-2026", false),
        ("read:tables/sales-*", Share, Table, "sales-2026", false),
        ("write:tables/*", Read, Table, "a", true),
        ("write:tables/*", Share, Table, "a", false),
        ("share:tables/*", Read, Table, "a", true),
        ("share:tables/*", Write, Table, "a", false),
        ("share:tables/*", Admin, Table, "a", false),
        ("admin:tables/a", Share, Table, "a", true),
        ("admin:tables/a", Admin, Table, "ab", false),
        ("read:blobs/team/*", Read, Blob, "team/a", true),
        ("read:blobs/team/*", Read, Blob, "team/a/b", false),
        ("read:blobs/team/**", Read, Blob, "team/a/b", true),
        ("read:blobs/team/**", Read, Blob, "team", false),
        ("read:blobs/team/**", Read, Blob, "teams/a", false),
        ("read:blobs/**/*.csv", Read, Blob, "a/b/c.csv", true),
        ("read:blobs/**.csv", Read, Blob, "c.csv", true),
        ("read:blobs/a.c", Read, Blob, "abc", false),
        ("read:blobs/a*é*", Read, Blob, "aéö", true),
        ("read:documents/*", Read, Collection, "inbox", true),
        ("read:*/sales", Read, Collection, "sales", true),
        ("read:**", Read, Blob, "x/y", true),
        ("read:**sales**", Read, Blob, "x/sales/y", true),
    ] {
        assert_eq!(scopes(&[scope]).permit(action, kind, name), permitted, "{scope}, {action:?} {kind:?} {name}");
    }
    let two = scopes(&["read:tables/*", "write:blobs/in/**"]);
    assert!(two.permit(Read, Table, "a") && two.permit(Write, Blob, "in/a") && !two.permit(Write, Table, "a"));
}

#[test]
fn a_scope_that_is_none_or_finds_nothing_is_refused() {
    let long = format!("read:blobs/{}", "x".repeat(1000));
    for bad in [
        "",
        "read",
        "tables/a",
        "read:",
        "read:tables",
        "read:tables/",
        "read:tables/a/b",
        "read:documents/inbox/x",
        "read:views/a",
        "read:*",
        "read: tables/a",
        "delete:tables/a",
        "Read:tables/a",
        "read:blobs/a\nb",
        &long,
    ] {
        assert!(Scopes::parse(&[bad]).is_err(), "{bad}");
    }
    assert!(Scopes::parse::<&str>(&[]).is_err());
    assert!(Scopes::parse(&["read:**"; 65]).is_err());
}

#[test]
fn narrower_scopes_lie_within_wider_ones() {
    for (narrow, wide, within) in [
        (&["read:tables/a"][..], &["read:tables/*"][..], true),
        (&["read:tables/*"], &["read:tables/a"], false),
        (&["read:tables/sales-*"], &["write:tables/s*"], true),
        (&["write:tables/sales-*"], &["read:tables/s*"], false),
        (&["write:tables/a"], &["share:tables/a"], false),
        (&["admin:tables/a"], &["write:tables/a", "share:tables/a"], false),
        (&["admin:tables/a"], &["admin:**"], true),
        (&["read:blobs/a/*"], &["read:blobs/a/**"], true),
        (&["read:blobs/a/**"], &["read:blobs/a/*"], false),
        (&["read:blobs/a/**"], &["read:blobs/*/**"], true),
        (&["read:blobs/**"], &["read:blobs/*"], false),
        (&["read:blobs/*b*"], &["read:blobs/*"], true),
        (&["read:blobs/x*"], &["read:blobs/*x"], false),
        (&["read:**"], &["read:tables/**", "read:blobs/**", "read:documents/**"], false),
        (&["read:tables/a", "read:blobs/b"], &["read:tables/*", "read:blobs/**"], true),
        (&["read:tables/a", "read:blobs/b"], &["read:tables/*"], false),
    ] {
        assert_eq!(scopes(narrow).within(&scopes(wide)), within, "{narrow:?} in {wide:?}");
    }
}

/// A pattern of blobs' names, over few characters so that patterns meet.
fn pattern() -> impl Strategy<Value = String> {
    vec(select(vec!["a", "b", ".", "/", "*", "**"]), 1..8).prop_map(|pieces| pieces.concat())
}

/// The pattern with its wildcards replaced by something that they stand for.
fn example(pattern: &str, fillings: &[String]) -> String {
    let mut fillings = fillings.iter().cycle();
    let mut text = String::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let stars = rest.len() - rest.trim_start_matches('*').len();
        match stars {
            0 => text.push(c),
            1 => text += &fillings.next().unwrap().replace('/', ""),
            _ => text += fillings.next().unwrap(),
        }
        rest = &rest[stars.max(c.len_utf8())..];
    }
    text
}

fn filling() -> impl Strategy<Value = String> {
    vec(select(vec!["a", "b", ".", "/"]), 0..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_scope_permits_is_permitted_by_each_that_it_lies_within(
        narrow in pattern(), wide in pattern(), fillings in vec(filling(), 4),
    ) {
        let name = example(&narrow, &fillings);
        let [narrow, wide] = [narrow, wide].map(|pattern| scopes(&[&format!("read:blobs/{pattern}")]));
        prop_assert!(narrow.permit(Action::Read, Kind::Blob, &name), "{name:?} is an example");
        prop_assert!(narrow.within(&narrow));
        prop_assert!(!narrow.within(&wide) || wide.permit(Action::Read, Kind::Blob, &name), "{name:?}");
    }

    /// A name is a pattern without wildcards: what is permitted is what lies within.
    #[test]
    fn a_name_is_permitted_where_the_scope_of_it_alone_lies_within(wide in pattern(), name in filling()) {
        let name = format!("a{name}");
        let wide = scopes(&[&format!("read:blobs/{wide}")]);
        let narrow = scopes(&[&format!("read:blobs/{name}")]);
        prop_assert_eq!(narrow.within(&wide), wide.permit(Action::Read, Kind::Blob, &name));
    }
}

/// Lists are filtered by the database, single things by us: they must agree.
#[tokio::test]
async fn the_database_matches_patterns_as_we_do() {
    let patterns = [
        "blobs/**",
        "blobs/*",
        "blobs/a*",
        "blobs/a.b",
        "blobs/a+*",
        "blobs/(x)|**y",
        "blobs/[a]*",
        "blobs/é*/ß",
        "blobs/\\d$^{2}",
        "*/a?c",
        "**/c",
        "blobs/***",
        "blobs/a b",
        "tables/a*",
        "documents/a*",
    ];
    let names =
        ["a", "ab", "a.b", "axb", "a+", "(x)|y", "y", "[a]z", "é1/ß", "\\d$^{2}", "a?c", "a/c", "a b", "aé", "A"];
    let mut database = shared().database().await;
    for pattern in patterns {
        let scopes = scopes(&[&format!("read:{pattern}")]);
        let regexes = scopes.patterns(Action::Read).expect("not everything");
        for (kind, name) in
            names.iter().flat_map(|name| [(Kind::Blob, name), (Kind::Table, name), (Kind::Collection, name)])
        {
            let matched: bool = sqlx::query_scalar("select $1 collate \"C\" ~ any($2)")
                .bind(resource(kind, name))
                .bind(&regexes)
                .fetch_one(&mut database)
                .await
                .expect("a regular expression");
            assert_eq!(matched, scopes.permit(Action::Read, kind, name), "{pattern} {kind:?} {name}");
        }
    }
}
