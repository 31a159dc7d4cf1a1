//! What an operator does from the machine, by the settings of the service: its database, and moving house.

use crate::{
    app::{App, configured_sdk},
    base::Base,
    config::{Config, DatabaseAuth},
    database::{self, Database},
    error::{Error, Result},
    transfer::{self, Carried, Place},
};

/// `larder migrate`: the schema, without serving anything.
pub async fn migrate(config: Config) -> Result<()> {
    let made = database::migrate(&configured_database(&config).await?, config.times.request()).await?;
    match &made[..] {
        [] => println!("The database has the schema of this version."),
        [.., last] => println!("Migrated to {last}, by {} migrations.", made.len()),
    }
    Ok(())
}

/// `larder database-roles`.
pub async fn make_database_roles(config: Config) -> Result<()> {
    database::make_roles(&configured_database(&config).await?, config.times.request()).await?;
    println!(
        "larder_owner and larder_app are there. As larder_owner: `larder migrate`; as larder_app: `larder serve`."
    );
    Ok(())
}

/// `larder export PLACE`.
pub async fn export(place: &str, config: Config) -> Result<()> {
    carry(place, config, transfer::export).await
}

/// `larder import PLACE`.
pub async fn import(place: &str, config: Config) -> Result<()> {
    carry(place, config, transfer::import).await
}

async fn carry(place: &str, config: Config, way: impl AsyncFn(&App, &Place) -> Result<Carried>) -> Result<()> {
    config.check()?;
    let place = Place::named(place, &config).await?;
    let base = Base::start(&config, config.listen).await?;
    let app = base.open(config).await?;
    let carried = way(&app, &place).await;
    app.close().await;
    base.stop().await;
    println!("{}", carried?);
    Ok(())
}

async fn configured_database(config: &Config) -> Result<Database> {
    let url = config.database_url.as_ref();
    let url =
        url.ok_or_else(|| Error::startup("DATABASE_URL must say which database; an embedded one needs none of this."))?;
    let sdk = match config.database_auth {
        DatabaseAuth::Url => None,
        DatabaseAuth::Iam => Some(configured_sdk(config).await?),
    };
    Database::configured(config, url.expose(), sdk.as_ref())
}
