//! One reply of a scan: [`Page`].

use super::slot_set::SlotSet;
use crate::command::slot;
use crate::error::{Error, Result};
use crate::reply::Frame;

/// A page, as a server sends it.
pub(super) struct Page {
    pub(super) cursor: String,
    pub(super) elements: Vec<Frame>,
}

impl Page {
    pub(super) fn read(reply: Frame) -> Result<Self> {
        if let Some(error) = reply.reply().error() {
            return Err(Error::refused(error));
        }
        let mut parts = reply.elements().ok_or_else(strange)?;
        let cursor = parts.next().ok_or_else(strange)?.decode()?;
        let elements = parts.next().ok_or_else(strange)?;
        let elements = elements.elements().ok_or_else(strange)?.collect();
        Ok(Self { cursor, elements })
    }

    /// The keys that have one of these slots.
    pub(super) fn in_slots(&self, wanted: &SlotSet) -> Vec<Frame> {
        let is_wanted = |element: &&Frame| {
            let reply = element.reply();
            let key = reply.text();
            key.is_some_and(|key| wanted.has(slot(key.as_bytes())))
        };
        self.elements.iter().filter(is_wanted).cloned().collect()
    }
}

#[cold]
pub(super) fn strange() -> Error {
    Error::protocol("a node answered a scan with something else than a cursor and a list")
}

/// An array of frames, as a frame.
pub(super) fn array(elements: &[Frame]) -> Frame {
    let mut bytes = format!("*{}\r\n", elements.len()).into_bytes();
    for element in elements {
        bytes.extend_from_slice(element.as_bytes());
    }
    Frame::from_scanned(bytes::Bytes::from(bytes))
}
