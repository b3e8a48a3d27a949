//! INV-06: idempotency keys.

use sagascope_conventions::Invariant;

use super::{Check, texts};

/// Each key stands for one request, and what was answered to it is whole. Looks at the newest keys.
#[must_use]
pub fn answers_are_whole() -> Check {
    Check::new(Invariant::IdempotencyKeys, |conn| {
        texts(
            conn,
            "WITH newest AS (SELECT * FROM idempotency ORDER BY number DESC LIMIT 2000)
             SELECT operation || ' ' || key || ' stands for ' || count(DISTINCT request) || ' requests'
               FROM newest GROUP BY operation, key HAVING count(*) > 1
             UNION ALL
             SELECT operation || ' ' || key || ' is answered ' || coalesce(status, 'nothing') || ' with ' ||
                    iif(answer IS NULL, 'nothing', iif(json_valid(answer), 'a body', 'half a body'))
               FROM newest
              WHERE (status IS NULL) <> (answer IS NULL) OR status NOT BETWEEN 100 AND 599 OR NOT json_valid(answer)",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, made};
    use super::*;

    #[test]
    fn inv_06_a_key_with_two_requests_or_half_an_answer_is_found() {
        let conn = made(
            "CREATE TABLE idempotency (number INTEGER PRIMARY KEY, operation, key, request, status, answer);
             INSERT INTO idempotency VALUES
                (1, 'charge', 'k-1', '{\"amount\":1}', 201, '{}'), (2, 'refund', 'k-1', '{\"amount\":1}', 201, '{}'),
                (3, 'charge', 'k-2', '{\"amount\":1}', NULL, NULL)",
        );
        let mut check = answers_are_whole();
        assert_eq!(found(&mut check, &conn), [] as [String; 0]);
        conn.execute_batch(
            "INSERT INTO idempotency VALUES (4, 'charge', 'k-1', '{\"amount\":2}', 201, '{}'),
                (5, 'charge', 'k-5', '{}', 201, NULL), (6, 'charge', 'k-6', '{}', 201, '{\"a'), (7, 'charge', 'k-7', '{}', 42, '{}')",
        )
        .expect("broken");
        let all = found(&mut check, &conn);
        assert_eq!(all.len(), 4, "{all:?}");
        assert!(all.contains(&"charge k-1 stands for 2 requests".to_owned()), "{all:?}");
        assert!(
            all.contains(&"charge k-5 is answered 201 with nothing".to_owned()),
            "{all:?}"
        );
    }
}
