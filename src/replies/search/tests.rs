//! Replies of a live server, in both protocols.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use super::*;
use crate::replies::wire::decode;

type Map = HashMap<String, String>;

fn ids<T, S, P, K>(results: &SearchResults<T, S, P, K>) -> Vec<&str> {
    results
        .documents
        .iter()
        .map(|document| document.id.as_str())
        .collect()
}

/// A reply in RESP3 with these results.
fn named(total: u64, results: &str) -> String {
    format!(
        "%5\r\n+attributes\r\n*0\r\n+total_results\r\n:{total}\r\n+format\r\n+STRING\r\n+results\r\n{results}+warning\r\n*0\r\n"
    )
}

#[test]
fn documents_have_fields() {
    let two = "*5\r\n:2\r\n$5\r\ndoc:2\r\n*2\r\n$5\r\ntitle\r\n$11\r\nhello there\r\n\
               $5\r\ndoc:1\r\n*2\r\n$5\r\ntitle\r\n$11\r\nhello world\r\n";
    let three = named(
        2,
        "*2\r\n%3\r\n+id\r\n$5\r\ndoc:2\r\n+extra_attributes\r\n%1\r\n$5\r\ntitle\r\n$11\r\nhello there\r\n+values\r\n*0\r\n\
         %3\r\n+id\r\n$5\r\ndoc:1\r\n+extra_attributes\r\n%1\r\n$5\r\ntitle\r\n$11\r\nhello world\r\n+values\r\n*0\r\n",
    );
    let results: SearchResults<Map> = decode(two).unwrap();
    assert_eq!((results.total, ids(&results)), (2, vec!["doc:2", "doc:1"]));
    let title = results.documents.first().unwrap().fields.get("title");
    assert_eq!(title.map(String::as_str), Some("hello there"));
    assert_eq!(decode::<SearchResults<Map>>(&three).unwrap(), results);
}

#[test]
fn documents_may_come_without_fields() {
    let two = "*3\r\n:2\r\n$5\r\ndoc:2\r\n$5\r\ndoc:1\r\n";
    let three = named(
        2,
        "*2\r\n%2\r\n+id\r\n$5\r\ndoc:2\r\n+values\r\n*0\r\n%2\r\n+id\r\n$5\r\ndoc:1\r\n+values\r\n*0\r\n",
    );
    let results: SearchResults<Absent> = decode(two).unwrap();
    assert_eq!(ids(&results), ["doc:2", "doc:1"]);
    assert_eq!(decode::<SearchResults<Absent>>(&three).unwrap(), results);
}

#[test]
fn documents_may_be_counted_only() {
    let results: SearchResults<Map> = decode("*1\r\n:3\r\n").unwrap();
    assert_eq!((results.total, results.documents.len()), (3, 0));
    assert_eq!(
        decode::<SearchResults<Map>>(&named(3, "*0\r\n")).unwrap(),
        results
    );
}

#[test]
fn scores_come_beside_fields_or_alone() {
    let two = "*4\r\n:1\r\n$5\r\ndoc:2\r\n$3\r\n1.5\r\n*2\r\n$5\r\nprice\r\n$2\r\n20\r\n";
    let three = named(
        1,
        "*1\r\n%4\r\n+id\r\n$5\r\ndoc:2\r\n+score\r\n,1.5\r\n+extra_attributes\r\n%1\r\n$5\r\nprice\r\n$2\r\n20\r\n+values\r\n*0\r\n",
    );
    let results: SearchResults<Map, Score> = decode(two).unwrap();
    let document = results.documents.first().unwrap();
    assert_eq!((document.score.value, document.fields.len()), (1.5, 1));
    assert_eq!(
        decode::<SearchResults<Map, Score>>(&three).unwrap(),
        results
    );

    let alone: SearchResults<Absent, Score> =
        decode("*5\r\n:2\r\n$5\r\ndoc:2\r\n$1\r\n1\r\n$5\r\ndoc:1\r\n$1\r\n1\r\n").unwrap();
    assert_eq!(ids(&alone), ["doc:2", "doc:1"]);
}

#[test]
fn scores_may_be_explained() {
    let reply =
        "*3\r\n:1\r\n$5\r\ndoc:1\r\n*2\r\n$1\r\n1\r\n*2\r\n+Final TFIDF\r\n*1\r\n+(TFIDF 1.00)\r\n";
    let results: SearchResults<Absent, Score> = decode(reply).unwrap();
    let score = &results.documents.first().unwrap().score;
    assert_eq!(score.value, 1.0);
    assert_eq!(
        score
            .explanation
            .as_ref()
            .and_then(Value::as_slice)
            .map(<[Value]>::len),
        Some(2)
    );
}

#[test]
fn payloads_and_sort_keys_have_their_places() {
    type Results = SearchResults<Absent, Absent, Option<Vec<u8>>, Option<String>>;
    let results: Results = decode("*4\r\n:1\r\n$5\r\ndoc:2\r\n$-1\r\n$2\r\n#1\r\n").unwrap();
    let document = results.documents.first().unwrap();
    assert_eq!(
        (document.payload.as_deref(), document.sort_key.as_deref()),
        (None, Some("#1"))
    );
    let three = named(
        1,
        "*1\r\n%4\r\n+id\r\n$5\r\ndoc:2\r\n+payload\r\n_\r\n+sortkey\r\n$2\r\n#1\r\n+values\r\n*0\r\n",
    );
    assert_eq!(decode::<Results>(&three).unwrap(), results);
}

#[test]
fn a_reply_of_other_options_does_not_pass() {
    let with_scores = "*5\r\n:2\r\n$5\r\ndoc:2\r\n$1\r\n1\r\n$5\r\ndoc:1\r\n$1\r\n1\r\n";
    assert!(decode::<SearchResults<Map>>(with_scores).is_err());
    let error = decode::<SearchResults<Map>>("*2\r\n:1\r\n$5\r\ndoc:1\r\n").unwrap_err();
    assert!(error.to_string().contains("ended early"), "{error}");
}

#[test]
fn rows_are_aggregated() {
    let two = "*2\r\n:1\r\n*4\r\n$5\r\nprice\r\n$2\r\n30\r\n$3\r\ndbl\r\n$2\r\n60\r\n";
    let three = named(
        1,
        "*1\r\n%2\r\n+extra_attributes\r\n%2\r\n$5\r\nprice\r\n$2\r\n30\r\n$3\r\ndbl\r\n$2\r\n60\r\n+values\r\n*0\r\n",
    );
    let results: AggregateResults<HashMap<String, i64>> = decode(two).unwrap();
    assert_eq!(results.total, 1);
    assert_eq!(
        results.rows,
        [HashMap::from([
            ("price".to_owned(), 30),
            ("dbl".to_owned(), 60)
        ])]
    );
    assert_eq!(
        decode::<AggregateResults<HashMap<String, i64>>>(&three).unwrap(),
        results
    );
    assert_eq!(
        decode::<AggregateResults<Map>>("*1\r\n:0\r\n")
            .unwrap()
            .rows
            .len(),
        0
    );
}

#[test]
fn a_cursor_follows_the_rows() {
    let two = "*2\r\n*2\r\n:1\r\n*2\r\n$5\r\ntitle\r\n$13\r\ngoodbye world\r\n:645624366\r\n";
    let (results, cursor): (AggregateResults<Map>, u64) = decode(two).unwrap();
    assert_eq!((results.rows.len(), cursor), (1, 645_624_366));
    let row = "*1\r\n%2\r\n+extra_attributes\r\n%1\r\n$5\r\ntitle\r\n$13\r\ngoodbye world\r\n+values\r\n*0\r\n";
    let three = format!("*2\r\n{}:645624366\r\n", named(1, row));
    assert_eq!(
        decode::<(AggregateResults<Map>, u64)>(&three).unwrap(),
        (results, cursor)
    );
}
