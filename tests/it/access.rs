//! Who may do what: tokens and their scopes, principals, who sees a dataset.

mod datasets;
mod folder_links;
mod matrix;
mod people;
mod principals;
mod scopes;
mod tokens;
mod visibility;
