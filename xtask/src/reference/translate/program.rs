//! The program before a command, as people copy it from a shell: `redis-cli -n 2 GET k`.

use super::render;

/// What is before the command: the words of the command begin after it, and its options say what to connect to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Program {
    /// How many words it has; 0 if there is none.
    pub(super) words: usize,
    /// Whether an option of it is about the connection.
    is_about_connection: bool,
    url: Option<String>,
    socket: Option<String>,
    host: Option<String>,
    port: Option<String>,
    database: Option<String>,
    user: Option<String>,
    has_password: bool,
    is_encrypted: bool,
    is_cluster: bool,
}

const NAMES: [&str; 2] = ["redis-cli", "valkey-cli"];

/// Options that only change what redis-cli prints, or that are the default here.
const IGNORED: [&str; 10] = [
    "-3",
    "-e",
    "--raw",
    "--no-raw",
    "--csv",
    "--json",
    "--quoted-json",
    "--quoted-input",
    "--verbose",
    "--no-auth-warning",
];

/// Reads the program; the error is a sentence that says what is wrong with it.
pub(super) fn read(words: &[String]) -> Result<Program, String> {
    let mut program = Program::default();
    let prompt = words.first().is_some_and(|word| word == "$" || word == "#");
    let mut rest = words.iter().skip(usize::from(prompt)).peekable();
    let Some(name) = rest.next_if(|word| NAMES.iter().any(|name| is_path_of(word, name))) else {
        return Ok(program);
    };
    program.words = 1 + usize::from(prompt);
    while let Some(option) = rest.next_if(|word| word.starts_with('-')) {
        program.words += 1;
        if IGNORED.contains(&option.as_str()) || program.switch(option) {
            continue;
        }
        if !program.takes_value(option) {
            return Err(format!(
                "{name}: nothing is known of the option `{option}`; leave out what is not part of the command"
            ));
        }
        let Some(value) = rest.next() else {
            return Err(format!("{name}: a value is missing after `{option}`"));
        };
        program.words += 1;
        program.set(option, value);
    }
    Ok(program)
}

/// Whether a word is the program's name, perhaps with its folder.
fn is_path_of(word: &str, name: &str) -> bool {
    word.strip_suffix(name)
        .is_some_and(|folder| folder.is_empty() || folder.ends_with('/'))
}

impl Program {
    /// Sets an option without a value; `false` if it is none of them.
    fn switch(&mut self, option: &str) -> bool {
        match option {
            "--tls" => self.is_encrypted = true,
            "-c" => self.is_cluster = true,
            _ => return false,
        }
        self.is_about_connection = true;
        true
    }

    fn takes_value(&self, option: &str) -> bool {
        ["-h", "-p", "-n", "-u", "-s", "-a", "--pass", "--user"].contains(&option)
    }

    fn set(&mut self, option: &str, value: &str) {
        let value = Some(value.to_owned());
        self.is_about_connection = true;
        match option {
            "-h" => self.host = value,
            "-p" => self.port = value,
            "-n" => self.database = value,
            "-u" => self.url = value,
            "-s" => self.socket = value,
            "--user" => self.user = value,
            _ => self.has_password = true,
        }
    }

    /// The statement that connects the handle of this name, if an option says to what.
    pub(super) fn connecting(&self, handle: &str) -> Option<String> {
        let function = match handle {
            "exclusive" => "exclusive",
            _ if self.is_cluster => "cluster",
            "pool" => "pool",
            _ => "connect",
        };
        let url = render::text(&self.url());
        self.is_about_connection
            .then(|| format!("let {handle} = typedis::{function}({url}).await?;"))
    }

    /// Passwords are not repeated.
    fn url(&self) -> String {
        if let Some(url) = &self.url {
            return without_password(url);
        }
        let user = self.user.as_deref().unwrap_or_default();
        let login = match (user, self.has_password) {
            (user, true) => format!("{user}:PASSWORD@"),
            ("", false) => String::new(),
            (user, false) => format!("{user}@"),
        };
        if let Some(socket) = &self.socket {
            let database = self.database.as_ref();
            let database = database.map(|number| format!("?database={number}"));
            return format!("unix://{login}{socket}{}", database.unwrap_or_default());
        }
        let scheme = if self.is_encrypted { "rediss" } else { "redis" };
        let host = match self.host.as_deref() {
            None | Some("127.0.0.1") => "localhost".to_owned(),
            Some(host) if host.contains(':') => format!("[{host}]"),
            Some(host) => host.to_owned(),
        };
        let port = self.port.as_ref().filter(|port| *port != "6379");
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let database = self.database.as_ref().filter(|number| *number != "0");
        let database = database
            .map(|number| format!("/{number}"))
            .unwrap_or_default();
        format!("{scheme}://{login}{host}{port}{database}")
    }
}

/// A URL with `PASSWORD` in place of its password.
fn without_password(url: &str) -> String {
    let parts = url.split_once("://").and_then(|(scheme, rest)| {
        let (login, rest) = rest.rsplit_once('@')?;
        let (user, _) = login.split_once(':')?;
        Some(format!("{scheme}://{user}:PASSWORD@{rest}"))
    });
    parts.unwrap_or_else(|| url.to_owned())
}
