//! Who is told when which key changes: [`Tracking`].

use std::collections::{BTreeMap, BTreeSet};

use super::Answer;
use super::request::{Words, token};

/// The number of a session.
type Id = u64;

/// All sessions that track keys.
#[derive(Debug, Default)]
pub(super) struct Tracking {
    clients: BTreeMap<Id, Client>,
    /// Who has read a key since it was last changed.
    readers: BTreeMap<Vec<u8>, BTreeSet<Id>>,
    /// What has to be told, and to whom: after the reply to what changed the keys.
    news: Vec<(Id, Answer)>,
}

/// How a session tracks keys.
#[derive(Debug, Clone, Default)]
struct Client {
    /// Who is told in its place.
    redirect: Option<Id>,
    opts_in: bool,
    no_loop: bool,
    /// Every key with one of these prefixes; none means every key.
    prefixes: Option<Vec<Vec<u8>>>,
}

impl Client {
    fn covers(&self, key: &[u8]) -> bool {
        let prefixes = self.prefixes.as_ref();
        prefixes.is_some_and(|prefixes| {
            prefixes.is_empty() || prefixes.iter().any(|prefix| key.starts_with(prefix))
        })
    }
}

impl Tracking {
    /// CLIENT TRACKING with these words.
    pub(super) fn set(&mut self, id: Id, words: &Words) -> Answer {
        let upper = |word: &Vec<u8>| word.to_ascii_uppercase();
        if words.get(2).map(upper).as_deref() != Some(b"ON") {
            // What was read before would be told of when tracking is on again.
            self.clients.remove(&id);
            return Answer::ok();
        }
        let mut client = Client::default();
        let mut rest = words.iter().skip(3);
        while let Some(word) = rest.next() {
            match upper(word).as_slice() {
                b"OPTIN" => client.opts_in = true,
                b"NOLOOP" => client.no_loop = true,
                b"BCAST" => client.prefixes = Some(Vec::new()),
                b"REDIRECT" => client.redirect = rest.next().and_then(|word| token(word)),
                b"PREFIX" => {
                    let prefixes = client.prefixes.get_or_insert_default();
                    prefixes.extend(rest.next().cloned());
                }
                _ => return Answer::refusal("ERR syntax error"),
            }
        }
        self.clients.insert(id, client);
        Answer::ok()
    }

    pub(super) fn leave(&mut self, id: Id) {
        self.clients.remove(&id);
    }

    /// A session reads keys; `opted` says whether CLIENT CACHING YES came right before.
    pub(super) fn read(&mut self, id: Id, keys: &[&[u8]], opted: bool) {
        let client = self.clients.get(&id);
        let tracks = |client: &Client| client.prefixes.is_none() && (opted || !client.opts_in);
        if client.is_some_and(tracks) {
            for key in keys {
                self.readers.entry(key.to_vec()).or_default().insert(id);
            }
        }
    }

    /// A session, or the server itself, changes a key.
    pub(super) fn changed(&mut self, by: Option<Id>, key: &[u8]) {
        let readers = self.readers.remove(key).unwrap_or_default();
        for (id, client) in &self.clients {
            let is_own = by == Some(*id) && client.no_loop;
            if !is_own && (readers.contains(id) || client.covers(key)) {
                let keys = Answer::List(vec![Answer::text(key)]);
                self.news.push((client.redirect.unwrap_or(*id), told(keys)));
            }
        }
    }

    /// All keys may have changed.
    pub(super) fn all_changed(&mut self) {
        self.readers.clear();
        for (id, client) in &self.clients {
            let to = client.redirect.unwrap_or(*id);
            self.news.push((to, told(Answer::Nil)));
        }
    }

    /// The table is full: a key is told of as if it had changed.
    pub(super) fn evict(&mut self, number: usize) {
        let index = number.checked_rem(self.readers.len());
        let key = index.and_then(|index| self.readers.keys().nth(index).cloned());
        if let Some(key) = key {
            self.changed(None, &key);
        }
    }

    /// What has to be told since the last call.
    pub(super) fn take_news(&mut self) -> Vec<(Id, Answer)> {
        std::mem::take(&mut self.news)
    }
}

fn told(keys: Answer) -> Answer {
    Answer::Push(vec![Answer::text("invalidate"), keys])
}
