//! Which addresses may be connected to, judged on those that are then connected to.
//!
//! A name is looked up once for a connection, and the connection is made to what was judged: a name that gets another
//! address in between does not slip through.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;

/// The most addresses of one host that are looked at.
const ADDRESSES_MAX: usize = 64;

/// Which addresses may be connected to.
#[derive(Debug, Clone, Copy)]
pub struct Reach(fn(IpAddr) -> Option<&'static str>);

impl Reach {
    /// Public ones.
    pub const PUBLIC: Self = Self(not_public);
    /// All.
    pub const ANY: Self = Self(|_| None);

    /// Those of which `refused` says nothing; of the others it says what they are.
    pub const fn new(refused: fn(IpAddr) -> Option<&'static str>) -> Self {
        Self(refused)
    }

    /// What an address is that may not be connected to; `None`: it may.
    pub fn refuses(self, address: IpAddr) -> Option<&'static str> {
        (self.0)(address)
    }
}

/// A host all of whose addresses are refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{host} is at {address}, which is {what}")]
pub(super) struct Refused {
    pub(super) host: String,
    pub(super) address: IpAddr,
    pub(super) what: &'static str,
}

/// The system's way to find addresses.
#[derive(Debug, Clone, Copy)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Gives the addresses of a host that may be connected to, and no other.
pub(super) struct Guarded {
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) reach: Reach,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (host, reach) = (name.as_str().to_owned(), self.reach);
        let found = self.resolver.resolve(name);
        Box::pin(async move {
            let found: Vec<SocketAddr> = found.await?.take(ADDRESSES_MAX).collect();
            let good: Vec<_> = found.iter().copied().filter(|at| reach.refuses(at.ip()).is_none()).collect();
            if !good.is_empty() {
                return Ok(Box::new(good.into_iter()) as Addrs);
            }
            let refused = found.iter().find_map(|at| reach.refuses(at.ip()).map(|what| (at.ip(), what)));
            Err(match refused {
                Some((address, what)) => Refused { host, address, what }.into(),
                None => io::Error::new(io::ErrorKind::NotFound, "the host has no address").into(),
            })
        })
    }
}

/// What an address is that is not public; `None`: it is.
fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => not_public_v4(address),
        IpAddr::V6(address) => not_public_v6(address),
    }
}

fn not_public_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [127, ..] => Some("this machine (loopback)"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some("private"),
        [169, 254, ..] => Some("link-local, where clouds keep the metadata of a machine"),
        [100, 64..=127, ..] => Some("shared by a provider's customers (CGNAT)"),
        [0 | 240..=255, ..] | [192, 0, 0, _] | [192, 88, 99, _] | [198, 18..=19, ..] => Some("reserved"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some("an example for documents"),
        [224..=239, ..] => Some("for many at once (multicast)"),
        _ => None,
    }
}

fn not_public_v6(address: Ipv6Addr) -> Option<&'static str> {
    match address.segments() {
        // Addresses that lead to the IPv4 address within them: mapped, NAT64, 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => {
            not_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some("an example for documents"),
        [0x2001, 0..=0x1ff, ..] => Some("reserved"),
        [0x2000..=0x3fff, ..] => None,
        [0xfc00..=0xfdff, ..] => Some("private (unique local)"),
        [0xfe80..=0xfebf, ..] => Some("link-local"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("this machine (loopback)"),
        [0xff00..=0xffff, ..] => Some("for many at once (multicast)"),
        _ => Some("reserved"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_public_addresses_are_reached() {
        for (text, public) in [
            ("8.8.8.8", true),
            ("9.255.255.255", true),
            ("10.0.0.0", false),
            ("10.255.255.255", false),
            ("11.0.0.0", true),
            ("100.63.255.255", true),
            ("100.64.0.0", false),
            ("100.127.255.255", false),
            ("100.128.0.0", true),
            ("127.0.0.1", false),
            ("127.255.255.254", false),
            ("128.0.0.0", true),
            ("169.253.255.255", true),
            ("169.254.169.254", false),
            ("172.15.255.255", true),
            ("172.16.0.0", false),
            ("172.31.255.255", false),
            ("172.32.0.0", true),
            ("192.168.0.1", false),
            ("192.0.0.170", false),
            ("192.0.2.1", false),
            ("198.17.255.255", true),
            ("198.18.0.0", false),
            ("198.19.255.255", false),
            ("0.0.0.0", false),
            ("223.255.255.255", true),
            ("224.0.0.1", false),
            ("240.0.0.1", false),
            ("255.255.255.255", false),
            ("2600:1f18::1", true),
            ("2a05:d018::1", true),
            ("::", false),
            ("::1", false),
            ("::127.0.0.1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:169.254.169.254", false),
            ("::ffff:8.8.8.8", true),
            ("::ffff:0:8.8.8.8", false),
            ("64:ff9b::10.0.0.1", false),
            ("64:ff9b::8.8.8.8", true),
            ("64:ff9b:1::8.8.8.8", false),
            ("64:ff9b::1:0:0:0", false),
            ("2002:7f00:1::", false),
            ("2002:808:808::", true),
            ("2001::1", false),
            ("2001:db8::1", false),
            ("2001:4860:4860::8888", true),
            ("3fff::1", false),
            ("4000::1", false),
            ("fc00::1", false),
            ("fd00:ec2::254", false),
            ("fe80::1", false),
            ("febf::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
        ] {
            let refused = Reach::PUBLIC.refuses(text.parse().unwrap());
            assert_eq!(refused.is_none(), public, "{text}: {refused:?}");
        }
    }

    proptest! {
        #[test]
        fn an_address_within_another_is_judged_as_the_one_within(bits: u32) {
            let inner = Ipv4Addr::from_bits(bits);
            let low = u128::from(bits);
            let embedded = [0xffff_0000_0000 | low, 0x64_ff9b << 96 | low, 0x2002 << 112 | low << 80];
            for outer in embedded.map(Ipv6Addr::from_bits) {
                prop_assert_eq!(Reach::PUBLIC.refuses(outer.into()), Reach::PUBLIC.refuses(inner.into()), "{}", outer);
            }
        }
    }
}
