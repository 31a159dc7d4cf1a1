//! `larder token …`: what an operator does with tokens on the machine, by the settings of the service. With embedded engines the service must be stopped, since one
//! process at a time uses the data folder.

use crate::{
    app::App,
    auth::{Caller, Scopes, TokenRequest},
    base::Base,
    config::{CreateToken, TokenCommand},
    error::Result,
    http::parse_life,
};
use std::time::Duration;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

pub async fn run(command: TokenCommand) -> Result<()> {
    let config = command.config().clone();
    config.check()?;
    let base = Base::start(&config, config.listen).await?;
    let app = base.connect(config).await?;
    let done = execute(&app, command).await;
    app.close().await;
    base.stop().await;
    print!("{}", done?);
    Ok(())
}

/// What is printed: a new token alone, so that a script can take it.
async fn execute(app: &App, command: TokenCommand) -> Result<String> {
    let operator = Caller::operator();
    match command {
        TokenCommand::Create(new) => create(app, &operator, new).await,
        TokenCommand::List { principal, .. } => list(app, &operator, principal.as_deref()).await,
        TokenCommand::Revoke { id, .. } => app.auth.revoke_token(&operator, id).await.map(|()| String::new()),
        TokenCommand::Rotate { id, overlap, expires_in, .. } => {
            let overlap =
                if matches!(overlap.as_str(), "0" | "0s") { Duration::ZERO } else { parse_life("overlap", &overlap)? };
            let (_, secret) = app.auth.rotate_token(&operator, id, overlap, life(expires_in.as_deref())?).await?;
            Ok(format!("{}\n", secret.expose()))
        }
    }
}

async fn create(app: &App, operator: &Caller, new: CreateToken) -> Result<String> {
    let principal = match new.principal {
        Some(name) => name,
        None => app.auth.ensure_admin().await?.to_owned(),
    };
    let scopes = if new.scopes.is_empty() { None } else { Some(Scopes::parse(&new.scopes)?) };
    let request =
        TokenRequest { name: new.name, principal: Some(principal), scopes, life: life(new.expires_in.as_deref())? };
    let (_, secret) = app.auth.create_token(operator, request).await?;
    Ok(format!("{}\n", secret.expose()))
}

fn life(expires_in: Option<&str>) -> Result<Option<Duration>> {
    expires_in.map(|life| parse_life("expires-in", life)).transpose()
}

/// A line for each token that is not over, with tabs between.
async fn list(app: &App, operator: &Caller, principal: Option<&str>) -> Result<String> {
    let moment = |time: Option<OffsetDateTime>| time.and_then(|time| time.format(&Rfc3339).ok());
    let or_never = |time| moment(time).unwrap_or_else(|| "never".to_owned());
    let mut lines = "id\tprincipal\tname\tprefix\tscopes\texpires\tlast used\n".to_owned();
    let limit = usize::try_from(app.config.limits.page_rows_max).unwrap_or(usize::MAX);
    let mut before = None;
    loop {
        let page = app.auth.tokens(operator, before, limit, false).await?;
        for token in page.iter().filter(|token| principal.is_none_or(|name| name == token.principal)) {
            lines += &[
                token.id.to_string(),
                token.principal.clone(),
                token.name.clone(),
                token.prefix.clone(),
                token.scopes.join(","),
                or_never(token.expires_at),
                or_never(token.last_used_at),
            ]
            .join("\t");
            lines.push('\n');
        }
        if page.len() < limit {
            return Ok(lines);
        }
        before = page.last().map(|token| token.id);
    }
}
