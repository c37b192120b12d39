//! Options that can be chosen together: for examples, and for tests that cover every option.

use super::{Command, OptionId};

/// Options in an order in which they can be called.
pub(crate) type Selection = Vec<OptionId>;

impl Command {
    /// The wanted options with all that they and the command require, unless they exclude each other.
    pub(crate) fn complete(&self, wanted: &[OptionId]) -> Option<Selection> {
        let mut chosen = Vec::new();
        for id in wanted {
            chosen = self.add(chosen, *id, 0)?;
        }
        self.with_required(chosen)
    }

    /// As many options as go together, the last of the syntax first.
    pub(crate) fn most(&self) -> Option<Selection> {
        let mut chosen = Vec::new();
        for id in (0..self.options.len()).rev() {
            if let Some(more) = self.add(chosen.clone(), id, 0)
                && self.with_required(more.clone()).is_some()
            {
                chosen = more;
            }
        }
        self.with_required(chosen)
    }

    /// Adds the first possible option of each required choice that is still open.
    fn with_required(&self, mut chosen: Selection) -> Option<Selection> {
        for choice in self.choices.iter().filter(|choice| choice.required) {
            if !choice.options.iter().any(|id| chosen.contains(id)) {
                chosen = choice
                    .options
                    .iter()
                    .find_map(|id| self.add(chosen.clone(), *id, 0))?;
            }
        }
        Some(chosen)
    }

    /// Adds an option and what it requires. Requirements that lead in a circle are cut off by `depth`.
    fn add(&self, mut chosen: Selection, id: OptionId, depth: usize) -> Option<Selection> {
        if chosen.contains(&id) {
            return Some(chosen);
        }
        let option = self
            .options
            .get(id)
            .filter(|_| depth <= self.options.len())?;
        if let Some(parent) = option.parent {
            chosen = self.add(chosen, parent, depth + 1)?;
        }
        if let Some(condition) = &option.requires
            && !condition.holds(|id| chosen.contains(&id))
        {
            let all = |term: &Vec<OptionId>| {
                term.iter().try_fold(chosen.clone(), |chosen, id| {
                    self.add(chosen, *id, depth + 1)
                })
            };
            chosen = condition.terms.iter().find_map(all)?;
        }
        let siblings = &self.choices.get(option.choice)?.options;
        if siblings.iter().any(|sibling| chosen.contains(sibling)) {
            return None;
        }
        chosen.push(id);
        let is_forbidden = self
            .forbidden
            .iter()
            .any(|set| set.iter().all(|id| chosen.contains(id)));
        (!is_forbidden).then_some(chosen)
    }
}
