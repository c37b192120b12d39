//! Which workloads and clients to run: [`choose`].

use super::{CLIENTS, Client, Workload, workloads};
use crate::Result;
use crate::bench::Options;

/// The workloads and clients to run.
#[derive(Debug)]
pub(in crate::bench) struct Choice {
    pub(in crate::bench) workloads: Vec<Workload>,
    pub(in crate::bench) clients: Vec<Client>,
}

/// Finds what the options name; an option that is not given means all.
pub(in crate::bench) fn choose(options: &Options) -> Result<Choice> {
    Ok(Choice {
        workloads: chosen_workloads(options)?,
        clients: chosen_clients(options)?,
    })
}

fn chosen_workloads(options: &Options) -> Result<Vec<Workload>> {
    let all = workloads();
    if options.only.is_empty() {
        let is_due = |one: &Workload| !(options.quick && one.is_long);
        return Ok(all.into_iter().filter(is_due).collect());
    }
    if let Some(name) = options
        .only
        .iter()
        .find(|name| !all.iter().any(|one| is_named(*one, name)))
    {
        let names: Vec<String> = all.into_iter().map(Workload::id).collect();
        return Err(format!(
            "there is no workload {name:?}; there are: {}",
            names.join(" ")
        )
        .into());
    }
    let is_chosen = |one: &Workload| options.only.iter().any(|name| is_named(*one, name));
    Ok(all.into_iter().filter(is_chosen).collect())
}

/// A name is a workload's own (`get-16`), that of all its sizes (`get`), or its table's (`commands`).
fn is_named(workload: Workload, name: &str) -> bool {
    let id = workload.id();
    let sizes = id.rsplit_once('-').map(|(before, _)| before);
    name == id || Some(name) == sizes || name == workload.group.id()
}

fn chosen_clients(options: &Options) -> Result<Vec<Client>> {
    if options.clients.is_empty() {
        return Ok(CLIENTS.to_vec());
    }
    if let Some(name) = options
        .clients
        .iter()
        .find(|name| !CLIENTS.iter().any(|client| client.id == **name))
    {
        let names = CLIENTS.map(|client| client.id);
        return Err(format!(
            "there is no client {name:?}; there are: {}",
            names.join(" ")
        )
        .into());
    }
    let is_chosen = |client: &Client| options.clients.iter().any(|name| name == client.id);
    Ok(CLIENTS.into_iter().filter(is_chosen).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(only: &[&str], quick: bool) -> Vec<String> {
        let options = Options {
            quick,
            only: only.iter().map(|&name| name.to_owned()).collect(),
            ..Options::default()
        };
        let choice = choose(&options).unwrap();
        choice.workloads.into_iter().map(Workload::id).collect()
    }

    #[test]
    fn a_name_is_one_workload_all_its_sizes_or_a_table() {
        assert_eq!(ids(&["get-16"], false), ["get-16"]);
        assert_eq!(
            ids(&["get", "set-1"], false),
            ["get-1", "get-16", "get-64", "get-256", "get-1024", "set-1"]
        );
        assert!(ids(&["tls"], false).contains(&"tls-get-64".to_owned()));
        assert_eq!(ids(&["tls-get"], true).len(), 3);
    }

    #[test]
    fn long_ones_run_in_a_quick_run_only_if_they_are_named() {
        let long = "burst-1000000".to_owned();
        assert!(!ids(&[], true).contains(&long));
        assert!(ids(&[], false).contains(&long));
        assert!(ids(&["burst"], true).contains(&long));
    }

    #[test]
    fn what_is_unknown_is_refused_with_what_is_known() {
        let only = Options {
            only: vec!["gte-16".to_owned()],
            ..Options::default()
        };
        let error = choose(&only).unwrap_err().to_string();
        assert!(
            error.contains("gte-16") && error.contains("tls-get-64"),
            "{error}"
        );
        let clients = Options {
            clients: vec!["typedis".to_owned(), "jedis".to_owned()],
            ..Options::default()
        };
        let error = choose(&clients).unwrap_err().to_string();
        assert!(
            error.contains("jedis") && error.contains("rustis"),
            "{error}"
        );
    }

    #[test]
    fn clients_keep_their_order() {
        let options = Options {
            clients: vec!["rustis".to_owned(), "typedis".to_owned()],
            ..Options::default()
        };
        let ids: Vec<&str> = choose(&options)
            .unwrap()
            .clients
            .iter()
            .map(|one| one.id)
            .collect();
        assert_eq!(ids, ["typedis", "rustis"]);
    }
}
