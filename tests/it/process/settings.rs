//! What is refused at the start, and said of settings.

use crate::support::process::{Folder, bare, larder, refused, run};
use clap::Args;
use larder::config::Config;
use std::{fs, net::TcpListener, path::Path};

#[tokio::test]
async fn a_wrong_setting_is_refused_by_name_and_before_anything_is_made() {
    let folder = Folder::new();
    let data = folder.data();
    let key = "k".repeat(32);
    let three_keys = format!("{key},{key},{key}");
    for (variable, value, words) in [
        ("LARDER_LISTEN", "nonsense", "socket address"),
        ("LARDER_TYPO", "1", "larder --help"),
        ("LARDER_PUBLIC_URL", "data.example.org", "http://"),
        ("LARDER_PUBLIC_URL", "https://data.example.org/larder", "without a path"),
        ("LARDER_SECRET_KEYS", "short", "32 characters"),
        ("LARDER_SECRET_KEYS", &three_keys, "one or two"),
        ("LARDER_SECRET_KEYS", "", "32 characters"),
        ("LARDER_ADMIN_TOKEN", "short", "16 characters"),
        ("LARDER_ADMIN_TOKEN", "", "16 characters"),
        ("LARDER_EMBEDDED", "sometimes", "never"),
        ("LARDER_S3_BUCKET", "", "value"),
        ("LARDER_DYNAMODB_TABLE", "", "value"),
        ("DATABASE_URL", "mysql-on-a-host", "postgres://"),
        ("DATABASE_URL", "", "postgres://"),
        ("LARDER_PAGE_ROWS_MAX", "0", "1.."),
        ("LARDER_SWEEP_SECONDS", "soon", "soon"),
        ("LARDER_LOG", "larder=[", "LARDER_LOG"),
        ("LARDER_CORS_ORIGINS", "dash.example.org", "http://"),
    ] {
        let mut command = larder(&data, &[]);
        command.env(variable, value);
        let said = refused(command).await;
        assert!(said.contains(variable) && said.contains(words), "{variable}={value}: {said}");
        assert!(!data.exists(), "{variable}={value} made a folder");
    }
    let said = refused(larder(&data, &["--typo"])).await;
    assert!(said.contains("--typo"), "{said}");

    // Refused before it listens.
    let mut command = larder(&data, &[]);
    command.env("LARDER_LISTEN", "0.0.0.0:0");
    let said = refused(command).await;
    assert!(said.contains("LARDER_PUBLIC_URL") && said.contains("0.0.0.0"), "{said}");
    assert!(!data.exists());
}

#[tokio::test]
async fn without_embedded_engines_exactly_what_is_missing_is_listed_and_no_folder_is_made() {
    let folder = Folder::new();
    let all = [
        ("LARDER_S3_BUCKET", "bucket"),
        ("LARDER_DYNAMODB_TABLE", "table"),
        ("DATABASE_URL", "postgres://user@127.0.0.1:1/larder"),
        ("LARDER_SECRET_KEYS", "0123456789abcdef0123456789abcdef"),
        ("LARDER_PUBLIC_URL", "https://data.example.org"),
    ];
    for given in 0..(1 << all.len()) - 1 {
        let mut command = larder(&folder.data(), &[]);
        command.env("LARDER_EMBEDDED", "never").current_dir(folder.path());
        let is_given = |position: usize| given & (1 << position) != 0;
        command.envs(all.iter().enumerate().filter(|(position, _)| is_given(*position)).map(|(_, setting)| *setting));
        let missing: Vec<&str> =
            all.iter().enumerate().filter(|(n, _)| !is_given(*n)).map(|(_, setting)| setting.0).collect();
        let said = refused(command).await;
        let expected = format!("LARDER_EMBEDDED=never, so these must be set: {}.", missing.join(", "));
        assert!(said.contains(&expected), "{expected} {said}");
    }
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_named_and_its_password_never_shown() {
    let folder = Folder::new();
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = format!("postgres://larder:hunter2secret@{}/larder", silent.local_addr().expect("an address"));
    for url in [
        "postgres://larder:hunter2secret@127.0.0.1:1/larder",
        "postgres://larder:hunter2secret@no-such-host.invalid/larder",
        "postgres://larder:hunter2secret@127.0.0.1:99999/larder",
        "postgres://larder:hunter2secret@/larder?host=/nonexistent",
        "postgres://larder@127.0.0.1:1/larder?password=hunter2secret&sslmode=whatever",
        "hunter2secret",
        &silent,
    ] {
        let mut command = larder(&folder.data(), &["--request-seconds", "1"]);
        command.env("DATABASE_URL", url).env("LARDER_LOG", "trace,larder=trace,sqlx=trace");
        let said = refused(command).await;
        assert!(said.contains("DATABASE_URL"), "{url}: {said}");
        assert!(!said.contains("hunter2"), "{url}: {said}");
    }
}

#[tokio::test]
async fn help_documents_every_setting_with_its_default() {
    let mut command = bare();
    command.arg("--help");
    let help = run(command).await;
    assert!(help.status.success());
    let text = help.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let names = Config::environment_names();
    let definition = Config::augment_args(clap::Command::new("larder"));
    let mut documented = 0;
    for setting in definition.get_arguments() {
        let Some(name) = setting.get_env().and_then(|name| name.to_str()) else { continue };
        assert!(names.iter().any(|known| known == name));
        let defaults: Vec<_> = setting.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let shown = match defaults.join(",") {
            none if none.is_empty() => format!("[env: {name}"),
            default => format!("[env: {name}=] [default: {default}]"),
        };
        assert!(text.contains(&shown), "{shown} is not in {}", help.stdout);
        assert!(setting.get_help().is_some(), "{name} is not explained");
        documented += 1;
    }
    assert_eq!(documented, names.len());
    assert!(text.contains("larder token create --admin"));

    let mut command = bare();
    command.arg("--version");
    assert_eq!(run(command).await.stdout, format!("larder {}\n", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn help_shows_no_secret_of_the_environment() {
    let mut command = larder(Path::new("unused"), &["--help"]);
    for name in ["LARDER_ADMIN_TOKEN", "LARDER_SECRET_KEYS", "DATABASE_URL"] {
        command.env(name, "hunter2-hunter2-hunter2-hunter2-hunter2");
    }
    let help = run(command).await;
    assert!(help.status.success() && !help.stdout.contains("hunter2"), "{}", help.stdout);
}
