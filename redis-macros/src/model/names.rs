//! Names in Rust: of methods, parameters and types.

use syn::Ident;

/// Methods that every builder, request or target has.
const RESERVED: [&str; 13] = [
    "args",
    "attempt",
    "deadline",
    "edit",
    "into_args",
    "into_command",
    "into_future",
    "into_request",
    "into_sink",
    "poll",
    "run",
    "send",
    "with_reply",
];

/// Methods of what commands are called on, which come before those of a trait: a call would mean them. That is the handles, and
/// pipelines and transactions.
const OF_HANDLES: [&str; 44] = [
    "abort",
    "available",
    "batch",
    "begin",
    "cached",
    "channels",
    "close",
    "config",
    "decoded",
    "discard",
    "dropped",
    "each_primary",
    "events",
    "exclusive",
    "exclusive_for",
    "exec",
    "execute",
    "in_flight",
    "inner",
    "invalidations",
    "is_closed",
    "is_connected",
    "is_empty",
    "keyspace_events",
    "len",
    "monitor",
    "node",
    "on_unclaimed",
    "pipeline",
    "pipeline_each",
    "prefix",
    "primaries",
    "psubscribe",
    "read_from",
    "replicas",
    "ssubscribe",
    "stats",
    "subscribe",
    "subscriber",
    "topology",
    "transaction",
    "uncached",
    "watch",
    "with_prefix",
];

/// Commands whose methods have such a name, and are for other handles: `Pool` and `Cluster` have a `watch` of their own, and an open
/// transaction the other two.
const ELSEWHERE: [&str; 3] = ["DISCARD", "EXEC", "WATCH"];

/// Why a name cannot be the method of the command with this syntax, if it cannot.
pub(crate) fn check_command(name: &str, syntax: &str) -> Result<(), String> {
    let command = syntax.split(' ').next().unwrap_or_default();
    let is_elsewhere = ELSEWHERE.contains(&command) && command.eq_ignore_ascii_case(name);
    if OF_HANDLES.contains(&name) && !is_elsewhere {
        return Err("is a method of handles or pipelines, which a call would mean".to_owned());
    }
    check_method(name)
}

/// Why a name cannot be the name of a method, if it cannot.
pub(crate) fn check_method(name: &str) -> Result<(), String> {
    if RESERVED.contains(&name) {
        return Err("is a method that every request has".to_owned());
    }
    if is_keyword(name) {
        return Err("is a keyword of Rust".to_owned());
    }
    if name != snake(name) || syn::parse_str::<Ident>(name).is_err() {
        return Err("is no name of a method (lower case, digits and `_`)".to_owned());
    }
    Ok(())
}

/// Whether an identifier cannot be used as a name.
pub(crate) fn is_keyword(name: &str) -> bool {
    let is_word = name.starts_with(|first: char| first.is_alphabetic())
        && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_word && (name == "gen" || syn::parse_str::<Ident>(name).is_err())
}

/// Lower case with `_` in place of other characters than letters and digits.
pub(crate) fn snake(name: &str) -> String {
    name.chars()
        .map(|char| {
            if char.is_ascii_alphanumeric() {
                char.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .collect()
}

/// `ListEnd` as the name of a parameter or module: `list_end`.
pub(crate) fn snake_of_type(name: &str) -> String {
    let mut snake = String::new();
    for char in name.chars() {
        if char.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(char.to_ascii_lowercase());
    }
    snake
}

/// The name of a parameter, which callers never write: a keyword gets a `_` after it.
pub(crate) fn param(placeholder: &str) -> String {
    let name = snake(placeholder);
    if is_keyword(&name) || name == "args" {
        format!("{name}_")
    } else {
        name
    }
}

/// The plural of a placeholder, for parameters that take a list.
pub(crate) fn plural(placeholder: &str) -> String {
    let name = snake(placeholder);
    let before_y = name
        .strip_suffix('y')
        .filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    match before_y {
        Some(stem) => format!("{stem}ies"),
        None if name.ends_with('s') => param(&name),
        None if name.ends_with('x') || name.ends_with("ch") || name.ends_with("sh") => {
            format!("{name}es")
        }
        None => param(&format!("{name}s")),
    }
}

/// `zadd_incr`, `LARGE-REQUEST` or `STD.P` as the name of a type or variant: `ZaddIncr`, `LargeRequest`, `StdP`.
pub(crate) fn camel(name: &str) -> String {
    name.split(|char: char| !char.is_ascii_alphanumeric())
        .map(capitalized)
        .collect()
}

fn capitalized(part: &str) -> String {
    let mut chars = part.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first
        .into_iter()
        .chain(chars.map(|char| char.to_ascii_lowercase()))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_rusts() {
        assert_eq!(snake("min-idle-time"), "min_idle_time");
        assert_eq!(snake_of_type("ListEnd"), "list_end");
        assert_eq!(param("type"), "type_");
        assert_eq!(param("args"), "args_");
        assert_eq!(camel("LARGE-REQUEST"), "LargeRequest");
        assert_eq!(camel("zadd_incr"), "ZaddIncr");
        assert_eq!(camel("STD.P"), "StdP");
    }

    #[test]
    fn lists_are_plural() {
        let words = [
            "key", "id", "member", "category", "index", "address", "branch", "arg", "keys",
        ]
        .map(plural);
        assert_eq!(
            words,
            [
                "keys",
                "ids",
                "members",
                "categories",
                "indexes",
                "address",
                "branches",
                "args_",
                "keys"
            ]
        );
    }

    /// Whether a method is there for users, and not only for the simulation.
    fn is_for_users(attributes: &[syn::Attribute]) -> bool {
        let is_planted = |attribute: &syn::Attribute| {
            let list = attribute.meta.require_list();
            attribute.path().is_ident("cfg")
                && list.is_ok_and(|list| list.tokens.to_string().contains("planted"))
        };
        !attributes.iter().any(is_planted)
    }

    /// The names of the public methods in the `impl`s of these types, in the files of a folder.
    fn methods(folder: &std::path::Path, types: &[&str], found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                methods(&path, types, found);
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            let parsed = syn::parse_file(&source).unwrap();
            let of_types = parsed.items.iter().filter_map(|item| match item {
                syn::Item::Impl(item) if item.trait_.is_none() => Some(item),
                _ => None,
            });
            for item in of_types {
                let syn::Type::Path(ty) = &*item.self_ty else {
                    continue;
                };
                let is_wanted = types.iter().any(|name| {
                    ty.path
                        .segments
                        .last()
                        .is_some_and(|last| last.ident == name)
                });
                let public = item.items.iter().filter_map(|item| match item {
                    syn::ImplItem::Fn(function)
                        if matches!(function.vis, syn::Visibility::Public(_))
                            && is_for_users(&function.attrs) =>
                    {
                        Some(&function.sig)
                    }
                    _ => None,
                });
                let called = public.filter(|signature| is_wanted && signature.receiver().is_some());
                found.extend(called.map(|signature| signature.ident.to_string()));
            }
        }
    }

    /// The names of the methods of these types of the core.
    fn methods_of(types: &[&str]) -> Vec<String> {
        let core = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../redis-core/src");
        let mut found = Vec::new();
        methods(&core, types, &mut found);
        found
    }

    #[test]
    fn all_methods_of_handles_are_known() {
        let mut found = methods_of(&[
            "Connection",
            "Pool",
            "Exclusive",
            "Cluster",
            "Cached",
            "Prefixed",
            "AnyClient",
            "EachPrimary",
            "Watched",
            "Chain",
            "Open",
            "Detached",
        ]);
        // Those of the trait `Client`.
        found.extend(["batch", "pipeline_each"].map(str::to_owned));
        found.sort();
        found.dedup();
        assert_eq!(found, OF_HANDLES);
    }

    /// In a pipeline, the next command is called on the request before it.
    #[test]
    fn all_methods_of_requests_are_reserved() {
        let found = methods_of(&["Request"]);
        assert!(!found.is_empty());
        for name in found {
            assert!(RESERVED.contains(&name.as_str()), "{name}");
        }
    }

    #[test]
    fn methods_are_neither_keywords_nor_reserved() {
        assert_eq!(check_method("matching"), Ok(()));
        assert_eq!(
            check_method("match"),
            Err("is a keyword of Rust".to_owned())
        );
        assert_eq!(check_method("gen"), Err("is a keyword of Rust".to_owned()));
        assert_eq!(
            check_method("send"),
            Err("is a method that every request has".to_owned())
        );
        assert_eq!(
            check_method("no-evict"),
            Err("is no name of a method (lower case, digits and `_`)".to_owned())
        );
        assert_eq!(
            check_method("2d"),
            Err("is no name of a method (lower case, digits and `_`)".to_owned())
        );
    }
}
