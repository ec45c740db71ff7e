//! Which addresses may be called: what our callers name must not lead into the network that this server stands in. The
//! check is made on the address that is connected to, after its name was looked up.

use std::{
    error::Error,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
    sync::Arc,
};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

/// A range of addresses: `10.0.0.0/8`, `::1`, `fd00::/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    base: u128,
    mask: u128,
    is_v4: bool,
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is not a range of addresses like 10.0.0.0/8 or fd00::/8");
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().map_err(|_| wrong())?)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let (base, width) = number(address);
        let bits = bits.unwrap_or(width);
        if bits > width {
            return Err(wrong());
        }
        let mask = if bits == 0 { 0 } else { u128::MAX << (width - bits) };
        Ok(Self { base: base & mask, mask, is_v4: address.is_ipv4() })
    }
}

impl Range {
    fn has(&self, address: IpAddr) -> bool {
        let (number, _) = number(address);
        address.is_ipv4() == self.is_v4 && number & self.mask == self.base
    }
}

/// The address as a number, and how many bits its kind has.
fn number(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

/// Why an address is not called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Refused {}

/// Looks names up, and hands over only addresses that may be called.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    allowed: Arc<[Range]>,
}

impl Addresses {
    /// These private ranges may be called besides.
    pub fn new(allowed: Vec<Range>) -> Self {
        Self { allowed: allowed.into() }
    }

    pub fn may_call(&self, address: IpAddr) -> bool {
        is_public(address) || self.allowed.iter().any(|range| range.has(plain(address)))
    }

    /// What can be told of an address before it is looked up. A literal one is never looked up.
    pub fn check(&self, url: &str) -> Result<Url, Refused> {
        let url = Url::parse(url).map_err(|error| Refused(format!("the address is not valid: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused(format!("{} is neither http nor https", url.scheme())));
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        match host.parse::<IpAddr>() {
            Ok(address) if !self.may_call(address) => Err(refused(host)),
            _ => Ok(url),
        }
    }
}

fn refused(host: &str) -> Refused {
    Refused(format!("{host} is a private address; delivery.allow_private of the settings may allow it"))
}

impl Resolve for Addresses {
    fn resolve(&self, name: Name) -> Resolving {
        let own = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let (allowed, others): (Vec<SocketAddr>, Vec<SocketAddr>) =
                found.partition(|address| own.may_call(address.ip()));
            if allowed.is_empty() && !others.is_empty() {
                return Err(refused(name.as_str()).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Whether an error is that the address may not be called.
pub fn refusal<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Refused> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(refused) = error.downcast_ref() {
            return Some(refused);
        }
        next = error.source();
    }
    None
}

/// An IPv4 address that is written as IPv6 is the IPv4 address.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        v4 => v4,
    }
}

/// Whether an address belongs to the open internet.
fn is_public(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let is_special = matches!(
        (a, b, c),
        // This network, shared (CGNAT), link-local with the metadata services, protocols, 6to4, benchmarks.
        (0 | 10 | 127, ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
            // Multicast, reserved, broadcast.
            | (224..=255, ..)
    );
    !is_special
}

/// Of IPv6 only what is given out for the open internet (2000::/3), without the ranges in it that lead elsewhere.
fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [a, b, ..] = v6.segments();
    let is_global = (0x2000..=0x3fff).contains(&a);
    // Teredo, ORCHID and the like; documentation; 6to4.
    let leads_elsewhere = matches!((a, b), (0x2001, ..0x0200 | 0x0db8) | (0x2002, _) | (0x3fff, ..0x1000));
    is_global && !leads_elsewhere
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_open_internet_may_be_called() {
        let addresses = Addresses::default();
        let may = |text: &str| addresses.may_call(text.parse().unwrap());
        for open in ["1.1.1.1", "8.8.8.8", "100.63.0.1", "172.32.0.1", "192.0.1.1", "2606:4700::1111", "2a00:1450::1"] {
            assert!(may(open), "{open}");
        }
        for closed in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff:1::1",
            "5f00::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!may(closed), "{closed}");
        }
    }

    #[test]
    fn ranges_open_what_is_private() {
        let range = |text: &str| text.parse::<Range>();
        let addresses =
            Addresses::new(["10.2.0.0/16", "127.0.0.1", "fd00::/8"].map(|text| range(text).unwrap()).into());
        let may = |text: &str| addresses.may_call(text.parse().unwrap());
        assert!(may("10.2.255.1") && may("127.0.0.1") && may("fd99::1") && may("::ffff:10.2.0.1"));
        assert!(!may("10.3.0.1") && !may("127.0.0.2") && !may("fc00::1") && !may("::1"));
        assert!(range("0.0.0.0/0").unwrap().has("10.1.1.1".parse().unwrap()));
        for wrong in ["10.0.0.0/33", "::/129", "localhost", "10.0.0.0/x", ""] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_are_checked_before_they_are_looked_up() {
        let addresses = Addresses::default();
        for wrong in [
            "ftp://example.org",
            "not an address",
            "http://127.0.0.1/",
            "http://[::1]:80/",
            "http://0x7f.1/",
            "http://2130706433/",
            "https://169.254.169.254/latest/meta-data",
        ] {
            assert!(addresses.check(wrong).is_err(), "{wrong}");
        }
        assert!(addresses.check("https://example.org/x?y=1").is_ok());
    }

    #[tokio::test]
    async fn names_of_private_addresses_are_refused() {
        let name = || "localhost".parse::<Name>().unwrap();
        let error = Addresses::default().resolve(name()).await.err().unwrap();
        assert!(refusal(&*error).is_some(), "{error}");
        let open = Addresses::new(vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()]);
        assert!(open.resolve(name()).await.is_ok_and(|mut found| found.next().is_some()));
    }
}
