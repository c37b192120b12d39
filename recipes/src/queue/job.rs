//! A job that was taken from a queue: [`Job`].

use std::fmt;

use typedis::Result;

use super::Queue;
use crate::scripts::{Scripts as _, micros};

/// A job that was taken. Dropping it does nothing: it is delivered again after the visibility timeout.
#[must_use = "a job that is not done is delivered again"]
pub struct Job<T> {
    /// Its name: the one that it was put in with, or a random one.
    pub id: String,
    /// How often it was delivered, with this time.
    pub deliveries: u64,
    /// What was put into the queue.
    pub payload: T,
    /// Tells this delivery from all others.
    delivery: String,
    queue: Queue,
}

/// What becomes of a job that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// It will be delivered again.
    Again,
    /// It was delivered as often as it may be, and was put aside.
    Dead,
    /// It was delivered again already, or it is done: this delivery decides nothing any more.
    TooLate,
}

impl<T> Job<T> {
    pub(super) fn new(
        id: String,
        deliveries: u64,
        payload: T,
        delivery: String,
        queue: Queue,
    ) -> Self {
        Self {
            id,
            deliveries,
            payload,
            delivery,
            queue,
        }
    }

    /// Removes the job from the queue. `false`: its visibility timeout had passed, and it was delivered again, so another worker decides.
    ///
    /// # Errors
    /// The server could not be asked, or refused. The call may be repeated.
    pub async fn done(&self) -> Result<bool> {
        let (queue, names) = (&self.queue, &self.queue.names);
        queue
            .client
            .queue_done(
                &names.due,
                &names.payloads,
                &names.deliveries,
                &names.dead,
                &names.reasons,
                &self.id,
                &self.delivery,
            )
            .await
    }

    /// Lets the job be delivered again after the queue's [`retry_after`](Queue::retry_after), or puts it aside with the reason if it was delivered as often as it
    /// may be.
    ///
    /// # Errors
    /// The server could not be asked, or refused. The call may be repeated.
    pub async fn failed(&self, reason: impl fmt::Display) -> Result<Retry> {
        let (queue, names) = (&self.queue, &self.queue.names);
        let (pause, reason) = (micros(queue.retry_after), reason.to_string());
        let fate = queue
            .client
            .queue_fail(
                &names.due,
                &names.deliveries,
                &names.dead,
                &names.reasons,
                &self.id,
                &self.delivery,
                pause,
                queue.most,
                reason,
            )
            .await?;
        Ok(match fate {
            1 => Retry::Again,
            2 => Retry::Dead,
            _ => Retry::TooLate,
        })
    }

    /// Begins the visibility timeout again, for work that takes longer. `false`: it had passed, and the job was delivered again or put aside.
    ///
    /// # Errors
    /// The server could not be asked, or refused. The call may be repeated.
    pub async fn extend(&self) -> Result<bool> {
        let (queue, names) = (&self.queue, &self.queue.names);
        let visibility = micros(queue.visibility);
        queue
            .client
            .queue_extend(
                &names.due,
                &names.deliveries,
                &self.id,
                &self.delivery,
                visibility,
            )
            .await
    }
}

impl<T: fmt::Debug> fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("id", &self.id)
            .field("deliveries", &self.deliveries)
            .field("payload", &self.payload)
            .finish_non_exhaustive()
    }
}
