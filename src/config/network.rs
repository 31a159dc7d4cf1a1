//! A network of addresses, as `10.0.0.0/8` or `2001:db8::/32`.

use std::{net::IpAddr, str::FromStr};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// The network of the first `bits` bits of the address.
    pub fn around(address: IpAddr, bits: u8) -> Self {
        let address = address.to_canonical();
        let address = match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits.into())).unwrap_or(0);
                IpAddr::V4((v4.to_bits() & mask).into())
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits.into())).unwrap_or(0);
                IpAddr::V6((v6.to_bits() & mask).into())
            }
        };
        Self { address, bits }
    }

    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && Self::around(address, self.bits) == *self
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl FromStr for Network {
    type Err = String;

    /// Bits of the host must be zero, so that a slip of the pen trusts nobody else; an address alone is a network of one.
    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || "it must be a network such as 10.0.0.0/8 or 2001:db8::/32".to_owned();
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.trim().parse().map_err(|_| shape())?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(all), |bits| bits.trim().parse().map_err(|_| shape()))?;
        let network = Self::around(address, bits);
        match bits > all || network.address != address {
            true => Err(format!("{text} has bits beyond its length; {}", shape())),
            false => Ok(network),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_holds_what_begins_as_it_does() {
        assert!(network("10.0.0.0/8").holds("10.255.0.1".parse().unwrap()));
        assert!(network("10.0.0.0/8").holds("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!network("10.0.0.0/8").holds("11.0.0.1".parse().unwrap()));
        assert!(network("0.0.0.0/0").holds("203.0.113.7".parse().unwrap()));
        assert!(!network("0.0.0.0/0").holds("::1".parse().unwrap()));
        assert!(network("2001:db8::/32").holds("2001:db8:1::7".parse().unwrap()));
        assert!(network("127.0.0.1").holds("127.0.0.1".parse().unwrap()));
        assert!(!network("127.0.0.1").holds("127.0.0.2".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "ten", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/-1", "2001:db8::1/32", "10.0.0.0/8/8"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
