//! What a subscription may yield: [`Listening`].

use typedis_core::{Event, Message};

use crate::simulation::world::World;

/// The place of the last message, and whether the next one has to follow it directly.
#[derive(Debug, Default)]
pub(crate) struct Listening {
    last: Option<u64>,
    has_gap: bool,
    /// The tokens that came.
    pub(crate) tokens: Vec<u64>,
}

impl Listening {
    /// Takes an event: messages come in order, none twice, and none is missing without a word.
    pub(crate) fn take(&mut self, world: &World, event: &Event) {
        match event {
            Event::Message(message) => self.take_message(world, message),
            Event::Lagged(count) => self.last = self.last.map(|last| last + count),
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
        if let Some(last) = self.last {
            let follows = place == last + 1 || (self.has_gap && place > last);
            if !follows {
                let text = format!(
                    "message {place} of {} came after message {last}",
                    message.channel()
                );
                world.violate(
                    "no message is missing without a word, none comes twice",
                    text,
                );
            }
        }
        (self.last, self.has_gap) = (Some(place), false);
    }
}
