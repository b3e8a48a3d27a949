//! `daily_sales`: orders, pieces and money by day, from what orders tells.

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::event_store::StoredEvent;
use shop_kit::projection::ReadModel;

/// The read model.
pub(crate) const MODEL: ReadModel = ReadModel {
    carried,
    ..ReadModel::new("daily_sales", &["daily_sales"], apply)
};
/// Whose events it follows.
const SOURCE: &str = "orders.events";

/// Tables.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS daily_sales (
    day TEXT PRIMARY KEY,
    created INTEGER NOT NULL DEFAULT 0,
    confirmed INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    pieces INTEGER NOT NULL DEFAULT 0,
    sales_minor INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS daily_sales_carried (
    day TEXT PRIMARY KEY,
    created INTEGER NOT NULL DEFAULT 0,
    confirmed INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    pieces INTEGER NOT NULL DEFAULT 0,
    sales_minor INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
";

/// One day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Day {
    /// Such as `2026-11-21`, UTC.
    pub(crate) day: String,
    /// Orders created.
    pub(crate) created: i64,
    /// Orders confirmed.
    pub(crate) confirmed: i64,
    /// Orders cancelled.
    pub(crate) cancelled: i64,
    /// Pieces in the confirmed ones.
    pub(crate) pieces: i64,
    /// Their money.
    pub(crate) sales_minor: i64,
}

/// What this read model reads of a message.
#[derive(Debug, Deserialize)]
struct OrderNews {
    at: String,
    total_minor: i64,
    items: Vec<Item>,
    #[serde(default)]
    was_confirmed: bool,
}

#[derive(Debug, Deserialize)]
struct Item {
    quantity: i64,
}

/// Takes one event in. Types that this version does not know change nothing.
fn apply(tx: &Tx<'_>, event: &StoredEvent) -> anyhow::Result<()> {
    if event.aggregate_type == SOURCE
        && let Some(change) = change(&event.event_type, serde_json::from_value(event.data.clone())?)?
    {
        add(tx, "daily_sales", &change)?;
    }
    Ok(())
}

/// Carries forward what an event adds that is let go. One that was parked adds nothing.
pub(crate) fn carry(tx: &Tx<'_>, event: &StoredEvent) -> Result<(), DatabaseError> {
    let news = serde_json::from_value(event.data.clone())
        .ok()
        .filter(|_| event.aggregate_type == SOURCE);
    match news.map(|news| change(&event.event_type, news)) {
        Some(Ok(Some(change))) => add(tx, "daily_sales_carried", &change),
        _ => Ok(()),
    }
}

fn carried(tx: &Tx<'_>) -> Result<(), DatabaseError> {
    tx.execute("INSERT INTO daily_sales SELECT * FROM daily_sales_carried", [])?;
    Ok(())
}

/// What a message adds to its day.
fn change(event_type: &str, news: OrderNews) -> anyhow::Result<Option<Day>> {
    let Some(day) = news.at.get(..10) else {
        anyhow::bail!("`at` is no time: {:?}", news.at)
    };
    let empty = Day {
        day: day.to_owned(),
        ..Day::default()
    };
    let (pieces, sales_minor) = (news.items.iter().map(|item| item.quantity).sum(), news.total_minor);
    Ok(match event_type {
        "OrderCreated" => Some(Day { created: 1, ..empty }),
        "OrderConfirmed" => Some(Day {
            confirmed: 1,
            pieces,
            sales_minor,
            ..empty
        }),
        // A sale that was counted before is taken back.
        "OrderCancelled" if news.was_confirmed => Some(Day {
            cancelled: 1,
            confirmed: -1,
            pieces: -pieces,
            sales_minor: -sales_minor,
            ..empty
        }),
        "OrderCancelled" => Some(Day { cancelled: 1, ..empty }),
        _ => None,
    })
}

fn add(tx: &Tx<'_>, table: &str, change: &Day) -> Result<(), DatabaseError> {
    let mut upsert = tx.prepare_cached(&format!(
        "INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (day) DO UPDATE SET
            created = created + excluded.created,
            confirmed = confirmed + excluded.confirmed,
            cancelled = cancelled + excluded.cancelled,
            pieces = pieces + excluded.pieces,
            sales_minor = sales_minor + excluded.sales_minor",
    ))?;
    let Day {
        day,
        created,
        confirmed,
        cancelled,
        pieces,
        sales_minor,
    } = change;
    upsert.execute(params![day, created, confirmed, cancelled, pieces, sales_minor])?;
    Ok(())
}

/// The last `limit` days, newest first.
pub(crate) fn days(conn: &Connection, limit: u32) -> Result<Vec<Day>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT * FROM daily_sales ORDER BY day DESC LIMIT ?")?;
    let days = query.query_map([limit], |row| {
        Ok(Day {
            day: row.get(0)?,
            created: row.get(1)?,
            confirmed: row.get(2)?,
            cancelled: row.get(3)?,
            pieces: row.get(4)?,
            sales_minor: row.get(5)?,
        })
    })?;
    Ok(days.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(was_confirmed: bool) -> OrderNews {
        let items = vec![Item { quantity: 2 }, Item { quantity: 1 }];
        OrderNews {
            at: "2026-11-21T10:00:00.000Z".into(),
            total_minor: 13_000,
            items,
            was_confirmed,
        }
    }

    fn check(event_type: &str, was_confirmed: bool, then: (i64, i64, i64, i64, i64)) {
        let day = change(event_type, news(was_confirmed)).unwrap().unwrap();
        assert_eq!(day.day, "2026-11-21");
        assert_eq!(
            (day.created, day.confirmed, day.cancelled, day.pieces, day.sales_minor),
            then,
            "{event_type}"
        );
    }

    #[test]
    fn each_message_adds_to_its_day() {
        check("OrderCreated", false, (1, 0, 0, 0, 0));
        check("OrderConfirmed", false, (0, 1, 0, 3, 13_000));
        check("OrderCancelled", false, (0, 0, 1, 0, 0));
        check("OrderCancelled", true, (0, -1, 1, -3, -13_000));
        assert_eq!(change("OrderGiftWrapped", news(false)).unwrap(), None);
    }

    #[test]
    fn a_message_without_a_day_is_refused() {
        assert!(
            change(
                "OrderCreated",
                OrderNews {
                    at: "today".into(),
                    ..news(false)
                }
            )
            .is_err()
        );
    }
}
