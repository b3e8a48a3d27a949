//! Demo shop: the catalog. Browse by category, look a product up, search by words.

mod http;
mod product;
mod store;

use shop_kit::capabilities::{DATABASE, narrowable};
use shop_kit::database::Database;
use shop_kit::service::{Assembled, Readiness, Service};

/// Runs the service until it is told to stop.
///
/// # Errors
/// When it cannot start: a port is taken, or its database is damaged.
pub async fn run() -> anyhow::Result<()> {
    let service = Service::start("catalog", narrowable(http::OPERATIONS, &[&DATABASE]))?;
    assemble(&service).await?.serve(service).await
}

/// Puts the service together on what `service` gives: a place for its data, and its ways to others.
///
/// # Errors
/// When its database cannot be opened.
pub async fn assemble(service: &Service) -> anyhow::Result<Assembled> {
    let db = Database::open(&service.database_path(), &[store::TABLES], service.faults.clone())?;
    store::fill(&db, product::assortment()).await?;
    let readiness = Readiness::new().on("database", {
        let db = db.clone();
        move || ping(db.clone())
    });
    Ok(Assembled::new(http::router(db), readiness))
}

async fn ping(db: Database) -> anyhow::Result<()> {
    db.read(store::categories).await?;
    Ok(())
}
