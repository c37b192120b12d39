//! What a row calls: a command of the server, a Lua script, or a function of a library on the server.

use super::{Body, Context, Kind, Opt, Param, Write};
use crate::spec::Text;

/// What is called.
#[derive(Debug)]
pub(crate) enum Call {
    Command,
    Script(Script),
    /// The function's name.
    Function(String),
}

/// A Lua script in a file of its own.
#[derive(Debug)]
pub(crate) struct Script {
    /// The file, from the folder of the spec.
    pub(crate) file: Text,
    /// Its text; empty until it is read.
    pub(crate) source: String,
}

impl Script {
    /// The SHA-1 of the text, which is its name on servers.
    pub(crate) fn sha1(&self) -> String {
        sha1_smol::Sha1::from(self.source.as_bytes())
            .digest()
            .to_string()
    }
}

impl Call {
    pub(crate) fn is_command(&self) -> bool {
        matches!(self, Self::Command)
    }
}

impl Param {
    pub(crate) fn is_key(&self) -> bool {
        matches!(self.kind, Kind::Key | Kind::List { keys: true, .. })
    }
}

impl Context<'_> {
    pub(super) fn call(&self, body: &Body, options: &[Opt]) -> Call {
        let call = match (&self.command.script, &self.command.function) {
            (None, None) => return Call::Command,
            (Some(file), None) => Call::Script(Script {
                file: file.clone(),
                source: String::new(),
            }),
            (None, Some(name)) => Call::Function(name.text.clone()),
            (Some(_), Some(name)) => {
                self.note(
                    name.line,
                    "`function` and `script` exclude each other; expected one of them",
                );
                return Call::Command;
            }
        };
        self.check_keys_come_first(body, options);
        call
    }

    /// The number of keys is sent before them, so they have to be next to each other.
    fn check_keys_come_first(&self, body: &Body, options: &[Opt]) {
        let writes = body.runs.iter().flat_map(|run| &run.writes);
        let late = writes
            .skip_while(|write| matches!(write, Write::Param(param) if param.is_key()))
            .filter_map(Write::param);
        let optional = options.iter().flat_map(|option| option.body.params());
        for param in late.chain(optional).filter(|param| param.is_key()) {
            self.note_syntax(format!(
                "the key `{}` stands after something else; expected all keys of a script or function first, without their \
                 number, which is computed",
                param.name
            ));
        }
    }
}
