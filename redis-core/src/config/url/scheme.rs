//! The schemes that a URL may have, and what each leads to: [`find`].

use crate::config::nearest::nearest;

/// What a URL leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    Server,
    Socket,
    Service,
    Cluster,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scheme {
    pub(super) name: &'static str,
    pub(super) goal: Goal,
    pub(super) tls: bool,
}

/// A scheme without TLS.
const fn plain(name: &'static str, goal: Goal) -> Scheme {
    let tls = false;
    Scheme { name, goal, tls }
}

/// A scheme with TLS.
const fn secure(name: &'static str, goal: Goal) -> Scheme {
    let tls = true;
    Scheme { name, goal, tls }
}

/// All schemes. Of those that mean the same, the first is the one that is written.
const SCHEMES: [Scheme; 19] = [
    plain("redis", Goal::Server),
    secure("rediss", Goal::Server),
    plain("valkey", Goal::Server),
    secure("valkeys", Goal::Server),
    plain("unix", Goal::Socket),
    plain("redis+unix", Goal::Socket),
    plain("valkey+unix", Goal::Socket),
    plain("redis+sentinel", Goal::Service),
    secure("rediss+sentinel", Goal::Service),
    plain("valkey+sentinel", Goal::Service),
    secure("valkeys+sentinel", Goal::Service),
    plain("redis-cluster", Goal::Cluster),
    secure("rediss-cluster", Goal::Cluster),
    plain("valkey-cluster", Goal::Cluster),
    secure("valkeys-cluster", Goal::Cluster),
    plain("redis+cluster", Goal::Cluster),
    secure("rediss+cluster", Goal::Cluster),
    plain("valkey+cluster", Goal::Cluster),
    secure("valkeys+cluster", Goal::Cluster),
];

/// The scheme of this name, in small letters.
pub(super) fn find(name: &str) -> Option<&'static Scheme> {
    SCHEMES.iter().find(|scheme| scheme.name == name)
}

/// The scheme that was probably meant.
pub(super) fn nearest_to(name: &str) -> &'static str {
    nearest(name, SCHEMES.iter().map(|scheme| scheme.name))
}

/// How the scheme is written that leads there.
pub(super) fn name_of(goal: Goal, tls: bool) -> &'static str {
    let mut fitting = SCHEMES.iter();
    let found = fitting.find(|scheme| scheme.goal == goal && scheme.tls == tls);
    found.map_or("redis", |scheme| scheme.name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_url_of_every_scheme_is_read_and_written_with_one_that_means_the_same() {
        for scheme in SCHEMES {
            assert_eq!(nearest_to(scheme.name), scheme.name);
            let url = match scheme.goal {
                Goal::Socket => format!("{}:///run/redis.sock", scheme.name),
                _ => format!("{}://host/name", scheme.name),
            };
            // Only the path of a service is a name.
            let url = match scheme.goal {
                Goal::Server | Goal::Cluster => url.replace("/name", "/1"),
                Goal::Socket | Goal::Service => url,
            };
            if scheme.tls && cfg!(not(feature = "tls")) {
                continue;
            }
            let written = Config::from_url(&url).unwrap().to_url();
            let name = name_of(scheme.goal, scheme.tls);
            assert!(
                written.starts_with(&format!("{name}://")),
                "{url}: {written}"
            );
        }
    }
}
