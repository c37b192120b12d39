//! Step 3: what each command is. The spec and its syntax are checked and joined into types that cannot contain a
//! mistake, so that later steps need no checks.
//!
//! # Layout
//!
//! - `types`: what a placeholder stands for
//! - `examples`: the expressions that stand for arguments in documentation and generated tests
//! - `call`: rows that call a script or a function
//! - `lower`: a syntax tree as parameters and options
//! - `condition`: `NX | XX & GET`
//! - `reply`: the reply types and what decides between them
//! - `selection`: options that can be chosen together
//! - `states`: the type parameters of a builder, and how each option moves between their states
//! - `facts`: flags, policies, versions; `naming`: names that are not among the keys
//! - `known`: the table in which raw commands are looked up
//! - `names`, `clashes`: the names of methods and types, and which of them exclude each other

mod call;
mod clashes;
mod condition;
pub(crate) mod examples;
mod facts;
mod known;
mod lower;
pub(crate) mod names;
mod naming;
mod reply;
mod selection;
pub(crate) mod states;
pub(crate) mod types;

use crate::problems::Problems;
use crate::spec::{CommandSpec, Spec};
use crate::syntax::{self, Syntax};

pub(crate) use call::Call;
pub(crate) use condition::Condition;
pub(crate) use examples::Example;
pub(crate) use facts::{Facts, Versions};
pub(crate) use known::{Blocks, KnownCommand, Place};
pub(crate) use lower::{alternatives, only_list};
pub(crate) use naming::{Channels, Naming, PatternPlace, Step};
pub(crate) use reply::{Replies, Reply};
pub(crate) use selection::Selection;
use states::Slot;
pub(crate) use types::{Column, Enum, Kind};

/// Everything that is expanded from one file.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) enums: Vec<Enum>,
    pub(crate) groups: Vec<Group>,
    /// The commands that a shared connection does not accept, if the spec has a table of refused commands.
    pub(crate) known: Vec<KnownCommand>,
}

/// The commands of one group.
#[derive(Debug)]
pub(crate) struct Group {
    /// `sorted_set`
    pub(crate) name: String,
    pub(crate) commands: Vec<Command>,
}

#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) group: String,
    /// The method of the group's trait.
    pub(crate) method: String,
    /// The line of its table.
    pub(crate) line: usize,
    pub(crate) doc: String,
    pub(crate) syntax: Syntax,
    pub(crate) call: Call,
    /// What is always written.
    pub(crate) body: Body,
    /// The choices that a caller has, in the order of the syntax; nested ones come after the choice around them.
    pub(crate) choices: Vec<Choice>,
    /// The options of all choices, in the order of the syntax.
    pub(crate) options: Vec<Opt>,
    /// The notes on words of enums.
    pub(crate) words: Vec<WordNote>,
    /// Options that cannot all be chosen together.
    pub(crate) forbidden: Vec<Vec<OptionId>>,
    pub(crate) replies: Replies,
    /// The type parameters of the builder.
    pub(crate) slots: Vec<Slot>,
    pub(crate) facts: Facts,
}

/// The place of an option in [`Command::options`].
pub(crate) type OptionId = usize;

/// At most one of some options, or exactly one.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) required: bool,
    pub(crate) options: Vec<OptionId>,
}

/// One option: a method of the builder.
#[derive(Debug)]
pub(crate) struct Opt {
    /// Its words, or the placeholders of a bare one: its name in the spec.
    pub(crate) label: String,
    /// Its part of the syntax, without options nested in it.
    pub(crate) syntax: String,
    pub(crate) method: String,
    /// The place of its choice in [`Command::choices`].
    pub(crate) choice: usize,
    /// The option around it.
    pub(crate) parent: Option<OptionId>,
    /// What must have been chosen before.
    pub(crate) requires: Option<Condition>,
    /// Whether it may be called again, each call adds to what was written.
    pub(crate) repeatable: bool,
    pub(crate) body: Body,
    pub(crate) doc: Option<String>,
    pub(crate) since: Option<Versions>,
    pub(crate) deprecated: Option<String>,
    /// Whether `None` for its arguments leaves it out.
    pub(crate) takes_none: bool,
    /// Whether the command may not be sent twice once this is chosen.
    pub(crate) once_only: bool,
}

/// The note of the spec on one word of an enum parameter.
#[derive(Debug)]
pub(crate) struct WordNote {
    pub(crate) word: String,
    pub(crate) doc: Option<String>,
    pub(crate) since: Option<Versions>,
}

/// What a command or an option writes, run by run: options may stand between the runs.
#[derive(Debug, Default)]
pub(crate) struct Body {
    pub(crate) runs: Vec<Run>,
}

/// Items that are written together.
#[derive(Debug)]
pub(crate) struct Run {
    /// The number of the part; 0 for what comes before all parts.
    pub(crate) order: u8,
    pub(crate) writes: Vec<Write>,
}

#[derive(Debug)]
pub(crate) enum Write {
    Word(String),
    Param(Param),
    /// The number of items, or of words, and then what was counted.
    Counted {
        words_per_item: u32,
        what: Box<Write>,
    },
}

/// A parameter of a method.
#[derive(Debug)]
pub(crate) struct Param {
    pub(crate) name: String,
    /// Its placeholders in the syntax.
    pub(crate) placeholders: Vec<String>,
    pub(crate) kind: Kind,
    /// Whether it limits how long the server blocks.
    pub(crate) blocks: bool,
    pub(crate) example: Example,
}

impl Write {
    /// The parameter that is written, if there is one.
    pub(crate) fn param(&self) -> Option<&Param> {
        match self {
            Self::Word(_) => None,
            Self::Param(param) => Some(param),
            Self::Counted { what, .. } => what.param(),
        }
    }
}

impl Body {
    pub(crate) fn params(&self) -> impl Iterator<Item = &Param> {
        self.runs
            .iter()
            .flat_map(|run| &run.writes)
            .filter_map(Write::param)
    }

    /// Whether it has the server-side timeout.
    pub(crate) fn blocks(&self) -> bool {
        self.params().any(|param| param.blocks)
    }
}

impl Command {
    /// Whether it is built step by step.
    pub(crate) fn has_options(&self) -> bool {
        !self.options.is_empty()
    }

    /// Whether nil means that nothing came while it blocked.
    pub(crate) fn waits(&self) -> bool {
        self.params().any(|param| param.blocks) && self.replies.all().all(Reply::may_be_nil)
    }

    /// The parameters of the method and of all options.
    pub(crate) fn params(&self) -> impl Iterator<Item = &Param> {
        self.body
            .params()
            .chain(self.options.iter().flat_map(|option| option.body.params()))
    }

    /// Its name on the server.
    pub(crate) fn name(&self) -> String {
        self.syntax.name.join(" ")
    }

    /// The name of the builder.
    pub(crate) fn builder(&self) -> String {
        names::camel(&self.method)
    }

    /// The types that its expansion names but does not define.
    fn used_types(&self) -> Vec<String> {
        used_types(self.params(), &self.replies)
    }

    /// `[sorted_set.zadd]` without its brackets.
    pub(crate) fn table(&self) -> String {
        format!("{}.{}", self.group, self.method)
    }
}

fn used_types<'a>(params: impl Iterator<Item = &'a Param>, replies: &Replies) -> Vec<String> {
    let named = params.filter_map(|param| match &param.kind {
        Kind::Named(name) | Kind::Enum(name) => Some(name.clone()),
        _ => None,
    });
    let replies = replies
        .all()
        .flat_map(Reply::identifiers)
        .map(|ident| ident.to_string());
    let mut types: Vec<String> = named.chain(replies).collect();
    types.sort();
    types.dedup();
    types
}

/// Checks a spec and builds the model of all parts of it that are correct.
pub(crate) fn build(spec: &Spec, problems: &Problems) -> Model {
    let enums = types::enums(spec, problems);
    types::check_types(spec, problems);
    let mut groups: Vec<Group> = Vec::new();
    for command in &spec.commands {
        let Some(model) = (Context {
            spec,
            enums: &enums,
            command,
            problems,
        })
        .build() else {
            continue;
        };
        match groups.iter_mut().find(|group| group.name == command.group) {
            Some(group) => group.commands.push(model),
            None => groups.push(Group {
                name: command.group.clone(),
                commands: vec![model],
            }),
        }
    }
    let known = known::build(spec, &groups, problems);
    let model = Model {
        enums,
        groups,
        known,
    };
    clashes::check(&model, problems);
    model
}

/// One command while its model is built.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) enums: &'a [Enum],
    pub(crate) command: &'a CommandSpec,
    pub(crate) problems: &'a Problems,
}

impl Context<'_> {
    fn note(&self, line: usize, text: impl Into<String>) {
        self.problems.note(
            line,
            format_args!("{}.{}", self.command.group, self.command.label.text),
            text,
        );
    }

    /// Notes a problem in the syntax.
    fn note_syntax(&self, text: impl Into<String>) {
        self.note(self.command.syntax.line, text);
    }

    pub(crate) fn build(&self) -> Option<Command> {
        let spec = self.command;
        let method = self.method();
        let syntax = match syntax::parse(&spec.syntax.text) {
            Ok(syntax) => syntax.distributed(),
            Err(error) => {
                self.note_syntax(format!("syntax, column {}: {}", error.column, error.text));
                return None;
            }
        };
        let lower::Lowered {
            body,
            choices,
            mut options,
        } = lower::lower(self, &syntax);
        let forbidden = self.relations(&mut options);
        let replies = self.replies(&options);
        let facts = self.facts(&body, &options);
        self.check_references(&body, &options);
        let words = self.word_notes(&body, &options);
        let params = body
            .params()
            .chain(options.iter().flat_map(|option| option.body.params()));
        let mut taken = used_types(params, &replies);
        taken.extend(method.as_deref().map(names::camel));
        let slots = states::Slots {
            choices: &choices,
            options: &options,
            taken,
        }
        .build(&forbidden, &replies);
        let mut command = Command {
            group: spec.group.clone(),
            method: method?,
            line: spec.label.line,
            doc: spec.doc.text.clone(),
            call: self.call(&body, &options),
            syntax,
            body,
            choices,
            options,
            words,
            forbidden,
            replies,
            slots,
            facts,
        };
        for id in 0..command.options.len() {
            let takes_none = command.may_be_none(id);
            if let Some(option) = command.options.get_mut(id) {
                option.takes_none = takes_none;
            }
        }
        self.check_reachable(&command);
        Some(command)
    }

    /// Notes options that can never be chosen, and options on which too much depends.
    fn check_reachable(&self, command: &Command) {
        for (id, option) in command.options.iter().enumerate() {
            if command.is_too_wide(id) {
                let label = &option.label;
                self.note_syntax(format!(
                    "`{label}` depends on more combinations of options than can be expanded; expected fewer options in \
                     `replies`, `requires` and `conflicts`, or a row of its own for one form"
                ));
            }
            if command.complete(&[id]).is_none() {
                let label = &option.label;
                self.note_syntax(format!(
                    "`requires` and `conflicts` leave no way to choose `{label}`; expected one"
                ));
            }
        }
    }

    fn method(&self) -> Option<String> {
        let name = self.command.method.as_ref().unwrap_or(&self.command.label);
        if let Err(why) = names::check_command(&name.text, &self.command.syntax.text) {
            self.note(name.line, format!("`{}` {why}; set `method`", name.text));
            return None;
        }
        Some(name.text.clone())
    }

    /// Sets what each option requires, and finds the options that exclude each other.
    fn relations(&self, options: &mut [Opt]) -> Vec<Vec<OptionId>> {
        for (word, condition) in &self.command.requires {
            let id = self.option_named(word, "requires", options);
            let condition = self.condition(condition, "requires", options);
            if let (Some(id), Some(condition)) = (id, condition)
                && let Some(option) = options.get_mut(id)
            {
                option.requires = Some(condition);
            }
        }
        let mut forbidden = Vec::new();
        for (word, condition) in &self.command.conflicts {
            let id = self.option_named(word, "conflicts", options);
            let condition = self.condition(condition, "conflicts", options);
            if let (Some(id), Some(condition)) = (id, condition) {
                forbidden.extend(
                    condition
                        .terms
                        .into_iter()
                        .map(|term| [vec![id], term].concat()),
                );
            }
        }
        forbidden
    }

    /// The notes in `options` on words that are not options but values of enums.
    fn word_notes(&self, body: &Body, options: &[Opt]) -> Vec<WordNote> {
        let mut notes = Vec::new();
        for (word, spec) in &self.command.options {
            if condition::find(&word.text, options).is_some() {
                continue;
            }
            if !self.is_enum_word(&word.text, body, options) {
                self.option_named(word, "options", options);
                continue;
            }
            if spec.idempotent.is_some() || spec.deprecated.is_some() {
                self.note(
                    word.line,
                    format!(
                        "`{}` is a word of an enum, of which only `doc` and `since` are read; expected a row of its own for what \
                         `idempotent` or `deprecated` say",
                        word.text
                    ),
                );
            }
            notes.push(WordNote {
                word: word.text.clone(),
                doc: spec.doc.as_ref().map(|doc| doc.text.clone()),
                since: spec.since.as_ref().map(|since| self.versions(since)),
            });
        }
        notes
    }

    /// Whether a word is a value of a parameter that is an enum.
    fn is_enum_word(&self, word: &str, body: &Body, options: &[Opt]) -> bool {
        let mut params = body
            .params()
            .chain(options.iter().flat_map(|option| option.body.params()));
        params.any(|param| match &param.kind {
            Kind::Enum(name) => self
                .enums
                .iter()
                .any(|ty| ty.name == *name && ty.has_word(word)),
            _ => false,
        })
    }

    /// Checks the keys that name placeholders or options and are used elsewhere.
    fn check_references(&self, body: &Body, options: &[Opt]) {
        for (word, _) in &self.command.names {
            self.option_named(word, "names", options);
        }
        for (word, _) in &self.command.args_with {
            if !self.is_enum_word(&word.text, body, options) {
                self.option_named(word, "args", options);
            }
        }
        let known: Vec<&str> = body
            .params()
            .chain(options.iter().flat_map(|option| option.body.params()))
            .flat_map(|param| param.placeholders.iter().map(String::as_str))
            .collect();
        let nested = self.command.args_with.iter().flat_map(|(_, args)| args);
        for (name, _) in self.command.args.iter().chain(nested) {
            if !known.contains(&name.text.as_str()) {
                let name_text = &name.text;
                let hint = crate::nearest::suggestion(name_text, known.iter().copied());
                self.note(
                    name.line,
                    format!(
                        "`args` names `{name_text}`, which is no placeholder of the syntax; {hint}"
                    ),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
