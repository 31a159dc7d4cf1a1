//! Larder: put any file or record in; it goes to the store made for its structure; you get a URL that works at once.
//!
//! The modules in reading order: what the service is made of, what every slice stands on, the three slices, and what stands above them.

pub mod app;
pub mod base;
pub mod config;
pub mod database;
pub mod error;
pub mod health;
pub mod metrics;
pub mod operator_command;
pub mod router;
pub mod serve;
pub mod sweep;
pub mod telemetry;
pub mod token_command;

pub mod audit;
pub mod auth;
pub mod catalogue;
pub mod guards;
pub mod http;
pub mod jobs;
pub mod objects;

pub mod blobs;
pub mod documents;
pub mod tables;

pub mod datasets;
pub mod shares;
pub mod transfer;
pub mod upload;
pub mod web;

#[cfg(feature = "embedded")]
pub mod embedded;
