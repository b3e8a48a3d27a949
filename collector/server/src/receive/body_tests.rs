//! Bodies as clients send them, and as attackers do.

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::{HeaderValue, header};

use super::*;
use crate::receive::budget::{Budget, Peer};

const WITHIN: Duration = Duration::from_secs(30);

fn packed(encoding: Encoding, data: &[u8]) -> Vec<u8> {
    match encoding {
        Encoding::Identity => data.to_vec(),
        Encoding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        Encoding::Deflate => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        Encoding::Zstd => zstd::bulk::compress(data, 3).unwrap(),
    }
}

fn share() -> Share {
    budget().share(&Peer::default())
}

fn budget() -> Budget {
    Budget::new(2 * LIMIT)
}

const ALL: [Encoding; 4] = [Encoding::Identity, Encoding::Gzip, Encoding::Deflate, Encoding::Zstd];

#[tokio::test]
async fn every_encoding_is_read() {
    for encoding in ALL {
        for data in [&b""[..], b"hello", &[7; 100_000]] {
            let body = Body::from(packed(encoding, data));
            let (read, _share) = read(body, encoding, share(), WITHIN)
                .await
                .unwrap_or_else(|e| panic!("{encoding:?}: {e}"));
            assert_eq!(read, data, "{encoding:?}");
        }
    }
}

#[tokio::test]
async fn a13_a_bomb_costs_no_more_than_the_limit() {
    let zeros = vec![0; LIMIT + 1];
    let budget = budget();
    for encoding in ALL {
        let body = Body::from(packed(encoding, &zeros));
        assert_eq!(
            read(body, encoding, budget.share(&Peer::default()), WITHIN).await.err(),
            Some(BodyError::TooLarge(LIMIT)),
            "{encoding:?}"
        );
        assert_eq!(budget.left(), 2 * LIMIT, "given back");
    }
}

#[tokio::test]
async fn a_used_up_budget_pushes_back() {
    let small = Budget::new(256 << 10);
    let mut other = small.share(&Peer::default());
    other.grow(200_000).unwrap();
    let outcome = |bytes| {
        let share = small.share(&Peer::default());
        read(Body::from(vec![1; bytes]), Encoding::Identity, share, WITHIN)
    };
    assert_eq!(outcome(100_000).await.err(), Some(BodyError::Busy));
    drop(other);
    assert_eq!(outcome(100_000).await.err(), None);
    // Sent again and again it would never be taken, so it is told otherwise.
    assert_eq!(outcome(140_000).await.err(), Some(BodyError::TooLarge(128 << 10)));
}

#[tokio::test]
async fn garbage_and_cut_bodies_are_broken() {
    for encoding in [Encoding::Gzip, Encoding::Deflate, Encoding::Zstd] {
        let outcome = read(Body::from("not compressed at all"), encoding, share(), WITHIN).await;
        assert!(matches!(outcome.err(), Some(BodyError::Broken(_))), "{encoding:?}");
    }
    for encoding in [Encoding::Gzip, Encoding::Deflate, Encoding::Zstd] {
        let whole = packed(encoding, &[9; 5_000]);
        let cut = whole[..whole.len() / 2].to_vec();
        let outcome = read(Body::from(cut), encoding, share(), WITHIN).await;
        assert!(matches!(outcome.err(), Some(BodyError::Broken(_))), "{encoding:?}");
    }
}

#[test]
fn encodings_by_header() {
    let with = |value: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(value));
        Encoding::of(&headers, header::CONTENT_ENCODING)
    };
    assert_eq!(with("GZIP"), Ok(Encoding::Gzip));
    assert_eq!(with("zstd"), Ok(Encoding::Zstd));
    assert_eq!(
        Encoding::of(&HeaderMap::new(), header::CONTENT_ENCODING),
        Ok(Encoding::Identity)
    );
    for refused in ["br", "gzip, gzip", "snappy"] {
        assert_eq!(with(refused), Err(BodyError::Encoding), "{refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn b11_a_body_that_stalls_or_drips_ends_in_time_and_gives_back_what_it_held() {
    let budget = budget();
    let stalled = futures_util::stream::pending::<Result<Bytes, io::Error>>();
    let dripping = futures_util::stream::unfold((), |()| async {
        tokio::time::sleep(WITHIN / 10).await;
        Some((Ok::<_, io::Error>(Bytes::from_static(b"x")), ()))
    });
    for body in [Body::from_stream(stalled), Body::from_stream(dripping)] {
        let outcome = read(body, Encoding::Identity, budget.share(&Peer::default()), WITHIN).await;
        assert_eq!(outcome.err(), Some(BodyError::Slow(WITHIN)));
        assert_eq!(budget.left(), 2 * LIMIT);
    }
}
