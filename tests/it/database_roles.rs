//! An owner that migrates and a user that serves: what the service may do to its database, and what it may not.

use crate::{
    elsewhere::put_one_of_each,
    support::{
        deployment::{Deployment, servers},
        json,
        process::{Ended, Folder, run},
    },
};
use reqwest::Method;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection, postgres::PgConnectOptions};

/// A command of the operator, with the environment of the deployment.
async fn command(deployment: &Deployment, name: &str) -> Ended {
    let mut command = deployment.command(&Folder::new());
    command.arg(name);
    run(command).await
}

fn user(deployment: &Deployment, user: &str) -> Deployment {
    deployment.with("DATABASE_URL", servers().database_url(user, &deployment.name))
}

/// What a statement of a user of the deployment's database answers.
async fn sql(deployment: &Deployment, user: &str, statement: &str) -> Result<(), String> {
    let options: PgConnectOptions = servers().postgres.options().username(user).database(&deployment.name);
    let mut connection = PgConnection::connect_with(&options).await.expect("a connection");
    let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await;
    done.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn the_service_runs_as_a_user_that_cannot_change_its_schema() {
    let deployment = Deployment::new().await;
    let (owner, app) = (user(&deployment, "larder_owner"), user(&deployment, "larder_app"));
    for _ in 0..2 {
        let made = command(&deployment, "database-roles").await;
        assert!(made.status.success(), "{made:?}");
    }
    let said = app.refused().await;
    assert!(
        said.contains("lacks the migrations [1,") && said.contains("`larder_app`") && said.contains("larder migrate"),
        "{said}"
    );
    let migrated = command(&owner, "migrate").await;
    assert!(migrated.status.success() && migrated.stdout.starts_with("Migrated to "), "{migrated:?}");
    let again = command(&owner, "migrate").await;
    assert!(again.stdout.starts_with("The database has the schema"), "{again:?}");

    let service = app.start().await;
    put_one_of_each(&service, "first").await;
    // What an upload does beyond the first: replace, append with new columns, change, undo, index, share, delete and sweep.
    json(service.put("/v1/tables/first?key=word", "word,n\na,1\nb,2\n").await, 200).await;
    let append =
        service.request(Method::POST, "/v1/tables/first/rows?add_columns=true").header("content-type", "text/csv");
    json(append.body("word,n,more\nc,3,x\n").send().await.expect("an answer"), 201).await;
    let changed = service.request(Method::PATCH, "/v1/tables/first/rows?n=eq.1").json(&json!({ "n": 5 }));
    assert!(changed.send().await.expect("an answer").status().is_success());
    json(
        service
            .request(Method::POST, "/v1/tables/first/indexes")
            .json(&json!({ "columns": ["n"] }))
            .send()
            .await
            .expect("an answer"),
        201,
    )
    .await;
    assert_eq!(service.text("/v1/tables/first/rows.csv?order=word").await, "word,n,more\na,5,\nb,2,\nc,3,x\n");
    json(service.get("/v1/tables/first/stats").await, 200).await;
    let share = service.request(Method::POST, "/v1/shares").json(&json!({ "target": "/v1/tables/first" }));
    json(share.send().await.expect("an answer"), 201).await;
    assert!(service.request(Method::DELETE, "/v1/tables/first").send().await.expect("an answer").status().is_success());
    service.stop().await;

    for (statement, word) in [
        ("create table larder.mine (a int)", "permission denied for schema larder"),
        ("drop table larder.datasets", "must be owner"),
        ("alter table larder.tokens add a int", "must be owner"),
        ("insert into larder._sqlx_migrations select * from larder._sqlx_migrations", "permission denied"),
        ("create schema mine", "permission denied for database"),
    ] {
        let said = sql(&deployment, "larder_app", statement).await.expect_err(statement);
        assert!(said.contains(word), "{statement}: {said}");
    }

    // A right that is lacking is named at the start, not by a later request.
    sql(&deployment, "larder_owner", "revoke insert on larder.versions from larder_app").await.expect("SQL");
    let said = app.refused().await;
    assert!(said.contains("`larder_app`") && said.contains("to read and write versions"), "{said}");
    sql(&deployment, "larder_owner", "grant insert on larder.versions to larder_app").await.expect("SQL");
    sql(&deployment, "larder_owner", "revoke create on schema rows from larder_app").await.expect("SQL");
    let said = app.refused().await;
    assert!(said.contains("to make tables in the schema rows"), "{said}");
}

#[tokio::test]
async fn a_binary_starts_on_a_schema_that_is_newer_than_its_own() {
    let deployment = Deployment::new().await;
    put_one_of_each(&deployment.start().await, "before").await;
    // What a later release's first migration leaves: it expands only.
    let later = "alter table larder.datasets add later text;
         insert into larder._sqlx_migrations (version, description, success, checksum, execution_time) values (9999, 'later', true, '\\x00', 1)";
    sql(&deployment, "larder", later).await.expect("SQL");
    let service = deployment.start().await;
    assert_eq!(service.text("/v1/tables/before/rows.csv").await, "word\nbefore\n");
    put_one_of_each(&service, "after").await;
    service.stop().await;
}

#[tokio::test]
async fn a_schema_of_somebody_else_is_not_taken_over() {
    let deployment = Deployment::new().await;
    deployment.start().await.stop().await;
    let said = command(&deployment, "database-roles").await;
    assert!(!said.status.success() && said.stderr.contains("reassign owned by larder to larder_owner"), "{said:?}");
}
