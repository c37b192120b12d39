//! What a subscription may yield: [`Listening`].

use typedis_core::{Event, Message};

use crate::simulation::world::World;

/// The place of the last message, and whether the next one has to follow it directly.
#[derive(Debug)]
pub(crate) struct Listening {
    last: Option<u64>,
    /// The latest place that the first message may have: the one after those that were published when the subscription was
    /// confirmed.
    first: u64,
    has_gap: bool,
    /// Whether nothing takes its socket away.
    stays: bool,
    /// The tokens that came.
    pub(crate) tokens: Vec<u64>,
}

impl Listening {
    /// A subscription that has just been confirmed, when so many messages had been published.
    pub(crate) fn new(published: u64, stays: bool) -> Self {
        Self {
            last: None,
            first: published + 1,
            has_gap: false,
            stays,
            tokens: Vec::new(),
        }
    }

    /// Takes an event: messages come in order, none twice, and none is missing without a word.
    pub(crate) fn take(&mut self, world: &World, event: &Event) {
        match event {
            Event::Message(message) => self.take_message(world, message),
            Event::Lagged(count) => {
                self.first += count;
                self.last = self.last.map(|last| last + count);
            }
            Event::Resubscribed if self.stays => {
                let text = "a subscription was restored that nothing had ended".to_owned();
                world.violate("where nothing breaks, nothing fails", text);
            }
            Event::Resubscribed => self.has_gap = true,
            other => world.violate("subscriptions are restored", format!("{other:?}")),
        }
    }

    /// Messages may be missing before the next one.
    pub(crate) fn allow_gap(&mut self) {
        self.has_gap = true;
    }

    fn take_message(&mut self, world: &World, message: &Message) {
        let text = String::from_utf8_lossy(message.payload()).into_owned();
        let token = text.strip_prefix('#').and_then(|text| text.parse().ok());
        let place = token.and_then(|token| world.ledger().place(token));
        let (Some(token), Some(place)) = (token, place) else {
            let text = format!("`{text}` was not published");
            return world.violate("messages are what was published", text);
        };
        world.note(8, token, || format!("message #{token} arrives"));
        self.tokens.push(token);
        let follows = match self.last {
            Some(last) => place == last + 1 || (self.has_gap && place > last),
            None => place <= self.first || self.has_gap,
        };
        if !follows {
            let before = match self.last {
                Some(last) => format!("came after message {last}"),
                None => format!("is the first, and message {} was to come", self.first),
            };
            let text = format!("message {place} of {} {before}", message.channel());
            world.violate(
                "no message is missing without a word, none comes twice",
                text,
            );
        }
        (self.last, self.has_gap) = (Some(place), false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_breaks_no_subscription_is_restored() {
        for (stays, rule) in [
            (false, None),
            (true, Some("where nothing breaks, nothing fails")),
        ] {
            let world = World::new(0, false);
            Listening::new(0, stays).take(&world, &Event::Resubscribed);
            assert_eq!(world.violation().map(|violation| violation.rule), rule);
        }
    }
}
