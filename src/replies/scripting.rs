//! Replies of the commands on scripts and functions.

use std::collections::HashMap;
use typedis_core::Name;

use bytes::Bytes;

use crate::FromRedis;

/// A library of functions.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[non_exhaustive]
pub struct FunctionLibrary {
    /// Its name.
    #[redis(rename = "library_name")]
    pub name: String,
    /// The engine that runs it, such as `LUA`.
    pub engine: String,
    /// Its functions.
    pub functions: Vec<FunctionInfo>,
    /// Its code, with `with_code`.
    #[redis(rename = "library_code")]
    pub code: Option<Name>,
}

/// A function of a library.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[non_exhaustive]
pub struct FunctionInfo {
    /// Its name.
    pub name: String,
    /// What its author says of it.
    pub description: Option<Name>,
    /// Its flags, such as `no-writes`.
    pub flags: Vec<String>,
}

/// The reply of FUNCTION STATS.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[non_exhaustive]
pub struct FunctionStats {
    /// The function or script that is running.
    pub running_script: Option<RunningFunction>,
    /// The engines by their names.
    pub engines: HashMap<String, EngineStats>,
}

/// A function that is running.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[non_exhaustive]
pub struct RunningFunction {
    /// Its name.
    pub name: String,
    /// The words of the command that called it.
    pub command: Vec<Bytes>,
    /// For how many milliseconds it has been running.
    pub duration_ms: u64,
}

/// The counts of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRedis)]
#[non_exhaustive]
pub struct EngineStats {
    /// The number of libraries.
    pub libraries_count: u64,
    /// The number of functions.
    pub functions_count: u64,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    #[test]
    fn libraries_are_listed_alike_in_both_protocols() {
        let two = "*1\r\n*8\r\n$12\r\nlibrary_name\r\n$5\r\nmylib\r\n$6\r\nengine\r\n$3\r\nLUA\r\n$9\r\nfunctions\r\n*1\r\n*6\r\n\
                   $4\r\nname\r\n$2\r\nf1\r\n$11\r\ndescription\r\n$-1\r\n$5\r\nflags\r\n*1\r\n+no-writes\r\n\
                   $12\r\nlibrary_code\r\n$16\r\n#!lua name=mylib\r\n";
        let three = "*1\r\n%4\r\n$12\r\nlibrary_name\r\n$5\r\nmylib\r\n$6\r\nengine\r\n$3\r\nLUA\r\n$9\r\nfunctions\r\n*1\r\n%3\r\n\
                     $4\r\nname\r\n$2\r\nf1\r\n$11\r\ndescription\r\n_\r\n$5\r\nflags\r\n~1\r\n+no-writes\r\n\
                     $12\r\nlibrary_code\r\n$16\r\n#!lua name=mylib\r\n";
        let libraries: Vec<FunctionLibrary> = decode(two).unwrap();
        assert_eq!(decode::<Vec<FunctionLibrary>>(three).unwrap(), libraries);
        let [library] = libraries.try_into().unwrap();
        assert_eq!(
            (library.name.as_str(), library.engine.as_str()),
            ("mylib", "LUA")
        );
        assert_eq!(library.code.as_deref(), Some("#!lua name=mylib"));
        let function = FunctionInfo {
            name: "f1".to_owned(),
            description: None,
            flags: vec!["no-writes".to_owned()],
        };
        assert_eq!(library.functions, [function]);
    }

    #[test]
    fn engines_are_counted_and_what_runs_is_named() {
        let idle = "%2\r\n$14\r\nrunning_script\r\n_\r\n$7\r\nengines\r\n%1\r\n$3\r\nLUA\r\n%2\r\n\
                    $15\r\nlibraries_count\r\n:1\r\n$15\r\nfunctions_count\r\n:2\r\n";
        let busy = "*4\r\n$14\r\nrunning_script\r\n*6\r\n$4\r\nname\r\n$1\r\nf\r\n$7\r\ncommand\r\n*3\r\n$5\r\nFCALL\r\n$1\r\nf\r\n$1\r\n0\r\n\
                    $11\r\nduration_ms\r\n:104\r\n$7\r\nengines\r\n*2\r\n$3\r\nLUA\r\n*4\r\n\
                    $15\r\nlibraries_count\r\n:1\r\n$15\r\nfunctions_count\r\n:2\r\n";
        let stats: FunctionStats = decode(idle).unwrap();
        assert_eq!(stats.running_script, None);
        let engine = EngineStats {
            libraries_count: 1,
            functions_count: 2,
        };
        assert_eq!(stats.engines.get("LUA"), Some(&engine));
        let running = decode::<FunctionStats>(busy)
            .unwrap()
            .running_script
            .unwrap();
        assert_eq!((running.name.as_str(), running.duration_ms), ("f", 104));
        assert_eq!(running.command, ["FCALL", "f", "0"]);
    }
}
