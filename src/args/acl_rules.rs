//! What ACL SETUSER changes: [`AclRule`].

use typedis_core::{Args, ToArgs};

use super::words::Words;

/// A rule of the access control list, which grants or takes away a right of a user.
///
/// Rules are applied in order. Text is sent as it is, in the servers' notation.
///
/// ```
/// # use typedis::args::AclRule;
/// let rules = [
///     AclRule::on(),
///     AclRule::password("secret"),
///     AclRule::deny_category("all"),
///     AclRule::allow_category("read"),
///     AclRule::allow("config|get"),
///     AclRule::key("app:*"),
/// ];
/// let same = ["on", ">secret", "-@all", "+@read", "+config|get", "~app:*"];
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct AclRule(String);

/// Rules may hold passwords, so none is shown.
impl std::fmt::Debug for AclRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AclRule(..)")
    }
}

/// The rules that consist of a word.
macro_rules! words {
    ($($name:ident $word:literal: $doc:literal;)*) => {$(
        #[doc = $doc]
        #[must_use]
        pub fn $name() -> Self {
            Self($word.to_owned())
        }
    )*};
}

/// The rules that consist of a sign and a text.
macro_rules! signs {
    ($($name:ident $sign:literal $param:ident: $doc:literal;)*) => {$(
        #[doc = $doc]
        pub fn $name($param: impl AsRef<str>) -> Self {
            Self(format!(concat!($sign, "{}"), $param.as_ref()))
        }
    )*};
}

impl AclRule {
    words! {
        on "on": "Lets the user log in.";
        off "off": "Keeps the user from logging in; connections that are logged in already stay logged in.";
        no_password "nopass": "Accepts any password, and removes those that are set.";
        reset_passwords "resetpass": "Removes all passwords, and `no_password`.";
        all_keys "allkeys": "Allows all keys.";
        reset_keys "resetkeys": "Removes all patterns of keys.";
        all_channels "allchannels": "Allows all channels.";
        reset_channels "resetchannels": "Removes all patterns of channels.";
        all_databases "alldbs": "Allows all databases; only Valkey, since 9.1.0.";
        reset_databases "resetdbs": "Removes all databases; only Valkey, since 9.1.0.";
        clear_selectors "clearselectors": "Removes all selectors; since 7.0.0.";
        reset "reset": "Removes all rights, as for a new user.";
    }

    signs! {
        password ">" password: "Adds a password.";
        remove_password "<" password: "Removes a password.";
        password_hash "#" sha256: "Adds a password by its SHA-256 digest, in hexadecimal digits.";
        remove_password_hash "!" sha256: "Removes a password by its SHA-256 digest.";
        allow "+" command: "Allows a command, or a subcommand such as `config|get`.";
        deny "-" command: "Forbids a command, or a subcommand.";
        allow_category "+@" category: "Allows the commands of a category, such as `read`.";
        deny_category "-@" category: "Forbids the commands of a category.";
        key "~" pattern: "Allows the keys that match a glob-style pattern.";
        read_key "%R~" pattern: "Allows to read the keys that match a glob-style pattern; since 7.0.0.";
        write_key "%W~" pattern: "Allows to write the keys that match a glob-style pattern; since 7.0.0.";
        channel "&" pattern: "Allows the channels that match a glob-style pattern.";
    }

    /// Allows these databases, one at least, in place of those that were allowed before; only Valkey, since 9.1.0.
    pub fn databases(numbers: impl IntoIterator<Item = u32>) -> Self {
        let numbers: Vec<String> = numbers
            .into_iter()
            .map(|number| number.to_string())
            .collect();
        Self(format!("db={}", numbers.join(",")))
    }

    /// Adds a selector: a set of further rights, separate from the user's other rights; since 7.0.0. It takes rules
    /// on commands, keys, channels and databases.
    pub fn selector(rules: impl IntoIterator<Item = Self>) -> Self {
        let rules: Vec<String> = rules.into_iter().map(|rule| rule.0).collect();
        Self(format!("({})", rules.join(" ")))
    }
}

impl From<&str> for AclRule {
    fn from(rule: &str) -> Self {
        Self(rule.to_owned())
    }
}

impl From<String> for AclRule {
    fn from(rule: String) -> Self {
        Self(rule)
    }
}

/// The rules of one ACL SETUSER: an [`AclRule`] or its text, an array or a `Vec` of either.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AclRules(Vec<AclRule>);

impl From<AclRule> for AclRules {
    fn from(rule: AclRule) -> Self {
        Self(vec![rule])
    }
}

impl From<&str> for AclRules {
    fn from(rule: &str) -> Self {
        Self(vec![rule.into()])
    }
}

impl<R: Into<AclRule>, const N: usize> From<[R; N]> for AclRules {
    fn from(rules: [R; N]) -> Self {
        Self(rules.into_iter().map(Into::into).collect())
    }
}

impl<R: Into<AclRule>> From<Vec<R>> for AclRules {
    fn from(rules: Vec<R>) -> Self {
        Self(rules.into_iter().map(Into::into).collect())
    }
}

impl ToArgs for AclRules {
    fn write_args(&self, out: &mut Args) {
        let words: Words = self.0.iter().map(|rule| rule.0.clone()).collect();
        words.write_args(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::wire::words;

    #[test]
    fn every_rule_is_one_word_in_the_servers_notation() {
        let rules = AclRules::from([
            AclRule::on(),
            AclRule::password("pw"),
            AclRule::deny_category("all"),
            AclRule::allow("config|get"),
            AclRule::read_key("a:*"),
            AclRule::channel("news"),
            AclRule::selector([AclRule::key("x"), AclRule::allow("get")]),
        ]);
        let expected = [
            "on",
            ">pw",
            "-@all",
            "+config|get",
            "%R~a:*",
            "&news",
            "(~x +get)",
        ];
        assert_eq!(words(&rules), expected);
        assert_eq!(AclRules::from(expected), rules);
    }

    #[test]
    fn databases_are_one_word() {
        let rules = AclRules::from([AclRule::reset_databases(), AclRule::databases([1, 12])]);
        assert_eq!(words(&rules), ["resetdbs", "db=1,12"]);
    }

    #[test]
    fn a_user_may_be_created_without_rules() {
        assert_eq!(words(&AclRules::default()).len(), 0);
    }

    #[test]
    fn passwords_are_not_shown() {
        assert!(!format!("{:?}", AclRules::from(">secret")).contains("secret"));
    }
}
