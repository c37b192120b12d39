//! The type parameters of a builder: one for each choice on which something depends, and how each option changes
//! their states.

use super::{Choice, Command, Opt, OptionId, Replies, Reply, names};

/// A type parameter of a builder.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Its name: that of its only option, or of the first with `Choice` after it.
    pub(crate) name: String,
    pub(crate) choice: usize,
    /// Whether it starts as `Missing`.
    pub(crate) required: bool,
    /// Whether something depends on which of its options was chosen: then each has its own marker.
    pub(crate) apart: bool,
}

/// The state of a slot in an `impl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// A type parameter: any state.
    Any,
    /// `Unset`, or `Missing` if a choice is required.
    Open,
    /// `Chosen`: one of the options, no matter which.
    Chosen,
    /// The marker of this option.
    Option(OptionId),
}

/// One `impl` of an option's method.
#[derive(Debug)]
pub(crate) struct Transition<'a> {
    pub(crate) from: Vec<State>,
    pub(crate) to: Vec<State>,
    /// The reply before and after, if they differ.
    pub(crate) reply: Option<(&'a Reply, &'a Reply)>,
}

/// The most combinations of states. A command with more is refused, not expanded.
const MAX_COMBINATIONS: usize = 1024;

/// The parts from which the slots of a command are made.
pub(super) struct Slots<'a> {
    pub(super) choices: &'a [Choice],
    pub(super) options: &'a [Opt],
    /// Names of types that a slot would hide.
    pub(super) taken: Vec<String>,
}

impl Slots<'_> {
    /// The slots that a command needs.
    pub(super) fn build(&self, forbidden: &[Vec<OptionId>], replies: &Replies) -> Vec<Slot> {
        let relations = Relations::new(self.options, forbidden, replies);
        let slot = |(id, choice): (usize, &Choice)| {
            let decides = choice
                .options
                .iter()
                .any(|option| relations.mention(*option));
            let needed = choice.required || choice.options.len() > 1 || decides;
            needed.then(|| Slot {
                name: self.name(choice),
                choice: id,
                required: choice.required,
                apart: relations.tell_apart(choice, self.options),
            })
        };
        self.choices.iter().enumerate().filter_map(slot).collect()
    }

    fn name(&self, choice: &Choice) -> String {
        let first = choice.options.first().and_then(|id| self.options.get(*id));
        let name = first
            .map(|option| names::camel(&option.method))
            .unwrap_or_default();
        // A single letter could be the name of another parameter.
        let is_clear = choice.options.len() == 1 && name.len() > 1 && !self.taken.contains(&name);
        if is_clear {
            name
        } else {
            format!("{name}Choice")
        }
    }
}

/// All dependencies on options, as sets of options.
struct Relations {
    sets: Vec<Vec<Vec<OptionId>>>,
}

impl Relations {
    fn new(options: &[Opt], forbidden: &[Vec<OptionId>], replies: &Replies) -> Self {
        let replies = replies
            .rules
            .iter()
            .map(|(condition, _)| condition.terms.clone());
        let requires = options
            .iter()
            .filter_map(|option| Some(option.requires.as_ref()?.terms.clone()));
        let parents = options
            .iter()
            .filter_map(|option| Some(vec![vec![option.parent?]]));
        let forbidden = [forbidden.to_vec()];
        Self {
            sets: replies
                .chain(requires)
                .chain(parents)
                .chain(forbidden)
                .collect(),
        }
    }

    fn mention(&self, option: OptionId) -> bool {
        self.sets
            .iter()
            .flatten()
            .any(|term| term.contains(&option))
    }

    /// Whether it matters which option of a choice was chosen.
    fn tell_apart(&self, choice: &Choice, options: &[Opt]) -> bool {
        let uses: Vec<Vec<Vec<Vec<OptionId>>>> = choice
            .options
            .iter()
            .map(|option| self.uses(*option))
            .collect();
        let differ = uses.windows(2).any(|pair| matches!(pair, [a, b] if a != b));
        let repeatable = choice
            .options
            .iter()
            .any(|id| options.get(*id).is_some_and(|option| option.repeatable));
        differ || (repeatable && choice.options.len() > 1)
    }

    /// The sets that hold the option, each without it.
    fn uses(&self, option: OptionId) -> Vec<Vec<Vec<OptionId>>> {
        let without = |term: &Vec<OptionId>| {
            let mut rest: Vec<OptionId> = term
                .iter()
                .copied()
                .filter(|other| *other != option)
                .collect();
            rest.sort_unstable();
            rest
        };
        let in_set = |set: &Vec<Vec<OptionId>>| {
            let mut terms: Vec<_> = set
                .iter()
                .filter(|term| term.contains(&option))
                .map(without)
                .collect();
            terms.sort();
            terms.dedup();
            terms
        };
        self.sets.iter().map(in_set).collect()
    }
}

impl Command {
    /// The `impl`s of an option's method: one for each combination of states that allows it. Combinations for which
    /// the method does the same are joined.
    pub(crate) fn transitions(&self, id: OptionId) -> Vec<Transition<'_>> {
        let dimensions = self.dimensions(id);
        let mut found: Vec<Transition<'_>> = self
            .combinations(&dimensions)
            .into_iter()
            .filter_map(|from| self.transition(id, from))
            .collect();
        for dimension in dimensions {
            found = self.joined(found, dimension);
        }
        found
    }

    /// The slot of an option's choice, if another option of it may not have been chosen before: where the method says so by
    /// a bound, so that the compiler can tell what excludes what. Of the transitions all that the option has are given.
    pub(crate) fn exclusive_slot(
        &self,
        id: OptionId,
        transitions: &[Transition<'_>],
    ) -> Option<usize> {
        let slot = self.slot_of(id)?;
        let choice = self.choices.get(self.options.get(id)?.choice)?;
        let is_open = |transition: &Transition<'_>| {
            // A reply that has a type parameter is told from another by it.
            let is_told = transition
                .reply
                .is_none_or(|(from, _)| from.params.is_empty());
            is_told && transition.from.get(slot) == Some(&State::Open)
        };
        (choice.options.len() > 1 && transitions.iter().all(is_open)).then_some(slot)
    }

    /// Whether `None` for the arguments of an option leaves it out: where it need not be chosen, no other option asks for it in
    /// `requires`, and the reply is the same or `bool`, as which a plain OK is `true`.
    pub(super) fn may_be_none(&self, id: OptionId) -> bool {
        let Some(option) = self.options.get(id) else {
            return false;
        };
        let is_required = self
            .choices
            .get(option.choice)
            .is_some_and(|choice| choice.required);
        let is_asked_for = self.options.iter().any(|other| {
            let condition = other.requires.as_ref();
            condition.is_some_and(|condition| condition.options().any(|asked| asked == id))
        });
        let same_reply = |transition: &Transition<'_>| {
            transition
                .reply
                .is_none_or(|(from, to)| from.text == "()" && to.text == "bool")
        };
        let has_params = option.body.params().next().is_some();
        has_params && !is_required && !is_asked_for && self.transitions(id).iter().all(same_reply)
    }

    /// Whether an option's method depends on too many states of other options.
    pub(super) fn is_too_wide(&self, id: OptionId) -> bool {
        let dimensions = self.dimensions(id);
        let states = dimensions
            .iter()
            .filter_map(|dimension| self.slots.get(*dimension))
            .map(|slot| self.states(slot).len());
        states.fold(1, usize::saturating_mul) > MAX_COMBINATIONS
    }

    /// The slot of an option's choice.
    pub(crate) fn slot_of(&self, id: OptionId) -> Option<usize> {
        let choice = self.options.get(id)?.choice;
        self.slots.iter().position(|slot| slot.choice == choice)
    }

    /// The slots that matter to an option's method.
    fn dimensions(&self, id: OptionId) -> Vec<usize> {
        let own = self.slot_of(id);
        let siblings =
            |option: &OptionId| self.slot_of(*option).is_some() && self.slot_of(*option) == own;
        let mut options = vec![id];
        if self.replies.deciding().any(|option| siblings(&option)) {
            options.extend(self.replies.deciding());
        }
        if let Some(option) = self.options.get(id) {
            options.extend(option.parent);
            options.extend(
                option
                    .requires
                    .iter()
                    .flat_map(|condition| condition.options()),
            );
        }
        options.extend(
            self.forbidden
                .iter()
                .filter(|set| set.contains(&id))
                .flatten(),
        );
        let mut slots: Vec<usize> = options
            .iter()
            .filter_map(|option| self.slot_of(*option))
            .collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    fn states(&self, slot: &Slot) -> Vec<State> {
        let options = self
            .choices
            .get(slot.choice)
            .map(|choice| choice.options.as_slice())
            .unwrap_or_default();
        let chosen = if slot.apart {
            options.iter().map(|id| State::Option(*id)).collect()
        } else {
            vec![State::Chosen]
        };
        [vec![State::Open], chosen].concat()
    }

    /// All states of the given slots, where the others may be any.
    fn combinations(&self, dimensions: &[usize]) -> Vec<Vec<State>> {
        let mut found = vec![vec![State::Any; self.slots.len()]];
        for dimension in dimensions {
            let Some(slot) = self.slots.get(*dimension) else {
                continue;
            };
            let states = self.states(slot);
            found = found
                .iter()
                .flat_map(|from| states.iter().map(|state| with(from, *dimension, *state)))
                .collect();
        }
        found
    }

    /// What the method does in these states, if they allow it.
    fn transition(&self, id: OptionId, from: Vec<State>) -> Option<Transition<'_>> {
        let option = self.options.get(id)?;
        let own = self.slot_of(id);
        let to = match own {
            Some(slot) => with(&from, slot, self.state_of(id)),
            None => from.clone(),
        };
        let free = match own.and_then(|slot| from.get(slot)) {
            None | Some(State::Open | State::Any) => true,
            Some(state) => option.repeatable && *state == self.state_of(id),
        };
        let before = |option| self.is_chosen(option, &from);
        let after = |option| self.is_chosen(option, &to);
        let allowed = free
            && option.parent.is_none_or(before)
            && option
                .requires
                .as_ref()
                .is_none_or(|condition| condition.holds(before))
            && !self
                .forbidden
                .iter()
                .any(|set| set.contains(&id) && set.iter().all(|option| after(*option)));
        let (old, new) = (self.replies.reply(before), self.replies.reply(after));
        allowed.then(|| Transition {
            reply: (old != new).then_some((old, new)),
            from,
            to,
        })
    }

    /// The state of an option's slot once it is chosen.
    fn state_of(&self, id: OptionId) -> State {
        let apart = self
            .slot_of(id)
            .and_then(|slot| self.slots.get(slot))
            .is_some_and(|slot| slot.apart);
        if apart {
            State::Option(id)
        } else {
            State::Chosen
        }
    }

    fn is_chosen(&self, id: OptionId, states: &[State]) -> bool {
        match self.slot_of(id).and_then(|slot| states.get(slot)) {
            Some(State::Chosen) => true,
            Some(State::Option(chosen)) => *chosen == id,
            Some(State::Any | State::Open) | None => false,
        }
    }

    /// Joins transitions that do the same in every state of a slot.
    fn joined<'a>(
        &self,
        transitions: Vec<Transition<'a>>,
        dimension: usize,
    ) -> Vec<Transition<'a>> {
        let states = self
            .slots
            .get(dimension)
            .map(|slot| self.states(slot).len())
            .unwrap_or_default();
        let mut groups: Vec<Vec<Transition<'a>>> = Vec::new();
        for transition in transitions {
            let same = |group: &&mut Vec<Transition<'a>>| {
                group.first().is_some_and(|first| {
                    with(&first.from, dimension, State::Any)
                        == with(&transition.from, dimension, State::Any)
                        && first.reply == transition.reply
                        && (first.to.get(dimension) == first.from.get(dimension))
                            == (transition.to.get(dimension) == transition.from.get(dimension))
                })
            };
            match groups.iter_mut().find(same) {
                Some(group) => group.push(transition),
                None => groups.push(vec![transition]),
            }
        }
        groups
            .into_iter()
            .flat_map(|group| {
                if group.len() == states {
                    join(group, dimension)
                } else {
                    group
                }
            })
            .collect()
    }
}

fn join(group: Vec<Transition<'_>>, dimension: usize) -> Vec<Transition<'_>> {
    let joined = group.into_iter().next().map(|first| Transition {
        from: with(&first.from, dimension, State::Any),
        to: with(&first.to, dimension, State::Any),
        reply: first.reply,
    });
    joined.into_iter().collect()
}

fn with(states: &[State], slot: usize, state: State) -> Vec<State> {
    let mut states = states.to_vec();
    if let Some(place) = states.get_mut(slot) {
        *place = state;
    }
    states
}
