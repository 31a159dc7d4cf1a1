//! Who is at the other end: the address of the client, told by the socket or by proxies that are trusted to tell it, and its user agent.
//!
//! **Invariant.** A header says nothing about the address unless the socket's own peer is one of `LARDER_TRUSTED_PROXIES`; and then it is read from its end, where
//! the nearest proxy wrote, no further than to the first address that is none of ours.

use super::Problem;
use crate::{
    app::App,
    config::{Config, Forwarding, Network},
    error::Error,
};
use axum::extract::{FromRequestParts, Request};
use http::{HeaderMap, header::USER_AGENT, request::Parts};
use std::{net::IpAddr, sync::Arc};

const AGENT_CHARS_MAX: usize = 256;
/// Addresses that are looked at in one request's headers.
const HOPS_MAX: usize = 32;

/// The other end of the socket; `serve` puts it into every request.
#[derive(Debug, Clone)]
pub struct Peer {
    address: IpAddr,
    network: Arc<str>,
}

impl Peer {
    pub fn new(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self { address, network: network(address) }
    }
}

/// The client of a request: an extractor, and an extension of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    pub address: IpAddr,
    /// The address with its last part removed, for logs: 256 neighbours of IPv4, one site of IPv6.
    pub network: Arc<str>,
    /// At most 256 characters of it.
    pub agent: Option<Arc<str>>,
}

impl Client {
    /// Who sends a request, if it came through a socket.
    pub(super) fn find(config: &Config, request: &Request) -> Option<Self> {
        request.extensions().get::<Peer>().map(|peer| Self::of(config, peer, request.headers()))
    }

    fn of(config: &Config, peer: &Peer, headers: &HeaderMap) -> Self {
        let agent = headers.get(USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
        let address = address(config, peer.address, headers);
        let network = if address == peer.address { peer.network.clone() } else { network(address) };
        let shortened = |agent: &str| match agent.char_indices().nth(AGENT_CHARS_MAX) {
            Some((end, _)) => agent.get(..end).unwrap_or_default().into(),
            None => agent.into(),
        };
        Self { address, network, agent: agent.as_deref().map(shortened) }
    }
}

fn network(address: IpAddr) -> Arc<str> {
    Network::around(address, if address.is_ipv4() { 24 } else { 48 }).to_string().into()
}

fn address(config: &Config, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let trusted = |address: IpAddr| config.trusted_proxies.iter().any(|network| network.holds(address));
    let name = match config.forwarding {
        Forwarding::XForwardedFor => "x-forwarded-for",
        Forwarding::Forwarded => "forwarded",
    };
    let mut address = peer;
    let told = headers.get_all(name).iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for hop in told.take(HOPS_MAX) {
        if !trusted(address) {
            break;
        }
        // What cannot be read hides whoever is behind it; the proxy that wrote it is the last that we know.
        let hop = std::str::from_utf8(hop).ok().and_then(|hop| match config.forwarding {
            Forwarding::XForwardedFor => parse(hop),
            Forwarding::Forwarded => parse(forwarded_for(hop)?),
        });
        let Some(hop) = hop else { break };
        address = hop.to_canonical();
    }
    address
}

/// `for=` of one element of `Forwarded` (RFC 7239).
fn forwarded_for(element: &str) -> Option<&str> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut nodes = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for")).map(|(_, node)| node.trim());
    let node = nodes.next()?;
    Some(node.strip_prefix('"').and_then(|node| node.strip_suffix('"')).unwrap_or(node))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn parse(node: &str) -> Option<IpAddr> {
    let node = node.trim();
    if let Some(rest) = node.strip_prefix('[') {
        return rest.split_once(']')?.0.parse().ok();
    }
    node.parse().ok().or_else(|| node.split_once(':')?.0.parse().ok())
}

impl FromRequestParts<App> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let client = parts.extensions.get::<Self>().cloned();
        Ok(client.ok_or_else(|| Error::internal("a request without a client"))?)
    }
}

#[cfg(test)]
mod tests {
    use super::address;
    use crate::config::Config;
    use clap::{Args, Command, FromArgMatches};
    use http::{HeaderMap, HeaderValue};
    use std::net::IpAddr;

    fn config(settings: &[&str]) -> Config {
        let matches = Config::augment_args(Command::new("larder").no_binary_name(true)).get_matches_from(settings);
        Config::from_arg_matches(&matches).unwrap()
    }

    fn found(settings: &[&str], peer: &str, headers: &[(&'static str, &str)]) -> IpAddr {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        address(&config(settings), peer.parse().unwrap(), &map)
    }

    #[test]
    fn headers_are_believed_from_trusted_proxies_alone_and_no_further_than_these_reach() {
        let ours = ["--trusted-proxies", "10.0.0.0/8,2001:db8::/32"];
        let told = |peer, value| found(&ours, peer, &[("x-forwarded-for", value)]).to_string();
        assert_eq!(found(&[], "10.0.0.1", &[("x-forwarded-for", "192.0.2.1")]).to_string(), "10.0.0.1");
        assert_eq!(told("203.0.113.9", "192.0.2.1"), "203.0.113.9");
        assert_eq!(told("10.0.0.1", "192.0.2.1"), "192.0.2.1");
        assert_eq!(told("10.0.0.1", "192.0.2.66, 192.0.2.1"), "192.0.2.1", "the first is the client's own invention");
        assert_eq!(told("10.0.0.1", "192.0.2.1, 10.0.0.2,10.0.0.3"), "192.0.2.1");
        assert_eq!(told("10.0.0.1", "10.0.0.2"), "10.0.0.2");
        assert_eq!(told("10.0.0.1", "192.0.2.1:4711"), "192.0.2.1");
        assert_eq!(told("2001:db8::1", "[2a00::1]:80"), "2a00::1");
        assert_eq!(told("10.0.0.1", "::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(told("10.0.0.1", "192.0.2.1, unknown"), "10.0.0.1");
        assert_eq!(told("10.0.0.1", ""), "10.0.0.1");
        let lines = [("x-forwarded-for", "192.0.2.66"), ("x-forwarded-for", "192.0.2.1, 10.0.0.2")];
        assert_eq!(found(&ours, "10.0.0.1", &lines).to_string(), "192.0.2.1");
        let many = vec!["10.0.0.2"; 100].join(",");
        assert_eq!(told("10.0.0.1", &format!("192.0.2.1,{many}")), "10.0.0.2");
    }

    #[test]
    fn the_other_header_is_for_proxies_that_write_it() {
        let forwarded = ["--trusted-proxies", "10.0.0.0/8", "--forwarding", "forwarded"];
        let told = |value| found(&forwarded, "10.0.0.1", &[("forwarded", value)]).to_string();
        assert_eq!(told("for=192.0.2.1;proto=https"), "192.0.2.1");
        assert_eq!(told("proto=https; For=\"[2a00::1]:80\", for=10.0.0.2"), "2a00::1");
        assert_eq!(told("for=_hidden"), "10.0.0.1");
        assert_eq!(told("by=192.0.2.1"), "10.0.0.1");
        assert_eq!(found(&forwarded, "10.0.0.1", &[("x-forwarded-for", "192.0.2.1")]).to_string(), "10.0.0.1");
        let ours = ["--trusted-proxies", "10.0.0.0/8"];
        assert_eq!(found(&ours, "10.0.0.1", &[("forwarded", "for=192.0.2.1")]).to_string(), "10.0.0.1");
    }
}
