//! A failing plan made smaller: [`shrink`](fn@shrink).

use super::plan::Plan;
use super::run::run;

/// The most plans that are tried.
const TRIES: usize = 600;

/// Leaves out tasks, steps, faults and subscriptions for as long as the same rule is broken.
#[must_use]
pub fn shrink(plan: &Plan, rule: &str) -> Plan {
    let mut smallest = plan.clone();
    let mut tries = 0;
    let mut fails = |plan: &Plan| {
        tries += 1;
        tries <= TRIES
            && run(plan, false)
                .violation
                .is_some_and(|violation| violation.rule == rule)
    };
    loop {
        let before = size(&smallest);
        without_some(&mut smallest, |plan| &mut plan.clients, &mut fails);
        without_some(&mut smallest, |plan| &mut plan.faults, &mut fails);
        without_some(&mut smallest, |plan| &mut plan.kept, &mut fails);
        without_steps(&mut smallest, &mut fails);
        if size(&smallest) == before {
            return smallest;
        }
    }
}

fn size(plan: &Plan) -> usize {
    let steps: usize = plan.clients.iter().map(|client| client.steps.len()).sum();
    steps + plan.clients.len() + plan.faults.len() + plan.kept.len()
}

/// Leaves out parts of a list: first half of it, then ever smaller pieces.
fn without_some<T: Clone>(
    smallest: &mut Plan,
    list: impl Fn(&mut Plan) -> &mut Vec<T>,
    fails: &mut impl FnMut(&Plan) -> bool,
) {
    let mut piece = list(smallest).len().div_ceil(2);
    while piece > 0 {
        let mut start = 0;
        while start < list(smallest).len() {
            let mut smaller = smallest.clone();
            let items = list(&mut smaller);
            let end = items.len().min(start + piece);
            items.drain(start..end);
            if fails(&smaller) {
                *smallest = smaller;
            } else {
                start += piece;
            }
        }
        piece /= 2;
    }
}

fn without_steps(smallest: &mut Plan, fails: &mut impl FnMut(&Plan) -> bool) {
    for index in 0..smallest.clients.len() {
        let mut at = 0;
        while at
            < smallest
                .clients
                .get(index)
                .map_or(0, |client| client.steps.len())
        {
            let mut smaller = smallest.clone();
            if let Some(client) = smaller.clients.get_mut(index) {
                client.steps.remove(at);
            }
            if fails(&smaller) {
                *smallest = smaller;
            } else {
                at += 1;
            }
        }
    }
}
