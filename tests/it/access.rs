//! Who may do what: tokens and their scopes, principals, who sees a dataset.

mod scopes;
