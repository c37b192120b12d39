//! Places whose nodes cannot be reached.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::task::{Context, Poll};

use super::*;
use crate::cluster::topology::Topology;
use crate::config::{Address, Capacity, Config};
use crate::engine::inflight::Order;
use crate::engine::subscriptions::source::Source;

/// A cluster of one node.
fn of_one(port: u16) -> Topology {
    Topology::of_one(Address::Tcp("127.0.0.1".to_owned(), port))
}

/// Adds a subscription whose caller waits for the ticket.
fn add(places: &Places, ticket: &Arc<Ticket>, routes: &Routes) -> EntryId {
    let capacity = Capacity::default();
    let inbox = Arc::new(Inbox::new(capacity));
    let entrance = Entrance {
        source: Arc::new(Source::new(SourceKind::Shard, "a".into())),
        inbox: inbox.clone(),
        ticket: Some(ticket.clone()),
        alone: true,
        mover: None,
    };
    let sockets = Arc::new(Sockets::new(capacity.lag, inbox));
    places.add(entrance, Reach::OneServer, sockets, routes)
}

fn is_pending(ticket: &Ticket) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    matches!(ticket.poll(&mut cx), Poll::Pending)
}

/// Closes the connection of a node.
async fn close(node: &Node) {
    let link = node.link();
    link.order(Order::Close);
    std::future::poll_fn(|cx| link.poll_end(cx.waker())).await;
}

#[tokio::test]
async fn a_ticket_that_a_node_gave_back_at_the_last_moment_goes_to_the_next_node() {
    let config = Config::tcp("127.0.0.1", 1);
    let before = Routes::first(of_one(1), &config);
    let after = before.next(of_one(2), &config);
    let (places, ticket) = (Places::default(), Arc::new(Ticket::default()));
    add(&places, &ticket, &before);
    close(&before.nodes()[0]).await;
    // The note of the first node is not read before the map has changed.
    places.settle(Vec::new(), &after);
    assert!(is_pending(&ticket));
    places.settle(places.notes().take(), &after);
    assert!(is_pending(&ticket), "no node has confirmed it");
    close(&after.nodes()[0]).await;
    let notes = places.notes().take();
    assert_eq!(notes.len(), 1);
    assert!(notes[0].ticket.is_some(), "it waited for the second node");
}
