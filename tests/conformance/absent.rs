//! Options that `None` leaves out: what is sent is the call without the option.

use typedis::ErrorKind;
use typedis::prelude::*;

use crate::cases::absent;

#[test]
fn none_leaves_an_option_out() {
    let all = absent();
    assert!(all.len() > 150, "{}", all.len());
    for case in all {
        let sent = (case.build)();
        let call = case.call;
        assert_eq!(sent.to_words(), case.words, "{call}");
    }
}

/// An option of several arguments is left out as a whole, and one that another stands on not alone.
#[tokio::test]
async fn half_an_option_is_refused_before_anything_is_sent() {
    // Nobody listens there: an error of another kind would say so.
    let conn = typedis::connect_lazy("redis://127.0.0.1:1").expect("it is a good URL");
    let half = conn
        .zrange::<String>("k", 0, 1)
        .by_score()
        .limit(Some(0), None);
    let error = half.await.expect_err("half of LIMIT is missing");
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    assert_eq!(
        error.to_string(),
        "ZRANGE: `LIMIT offset count`: some of its arguments are `None`, others are not; give all of them or none; nothing was \
         sent"
    );
    let any = conn
        .geosearch::<String>("k")
        .from_member("m")
        .by_radius(1.0, typedis::args::GeoUnit::Km);
    let error = any.count(None).any().await.expect_err("ANY needs COUNT");
    assert_eq!(
        error.to_string(),
        "GEOSEARCH: `ANY` is only sent together with `COUNT`, which was left out (`None`); nothing was sent"
    );
}
