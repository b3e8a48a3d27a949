//! What the shop sells.

use serde::Serialize;

/// One product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Product {
    /// `product-1` and on; the same ids stand on the shelves of inventory.
    pub(crate) id: String,
    /// What it is called.
    pub(crate) name: String,
    /// Where it is found.
    pub(crate) category: String,
    /// A sentence.
    pub(crate) description: String,
    /// Price of one piece, in the smallest unit of the currency.
    pub(crate) price_minor: i64,
    /// ISO 4217.
    pub(crate) currency: String,
}

/// Name, category, description, price: the first is `product-1`. The first two cost what the worked example says.
const ASSORTMENT: [(&str, &str, &str, i64); 24] = [
    (
        "Enamel mug",
        "kitchen",
        "A mug that survives the sink and the campfire.",
        5_000,
    ),
    ("Linen towel", "kitchen", "Dries glasses without a trace.", 3_000),
    ("Chef's knife", "kitchen", "Twenty centimetres of carbon steel.", 8_900),
    ("Pour-over kettle", "kitchen", "A thin spout for a steady hand.", 6_400),
    ("Paper filters", "kitchen", "One hundred, unbleached.", 700),
    ("Cutting board", "kitchen", "End-grain oak.", 4_200),
    ("Desk lamp", "office", "Warm light on a long arm.", 7_500),
    ("Notebook", "office", "Dotted, lies flat.", 1_200),
    ("Fountain pen", "office", "Steel nib, fine.", 4_900),
    ("Ink, night blue", "office", "Fifty millilitres.", 1_600),
    ("Monitor stand", "office", "Lifts a screen to eye level.", 5_900),
    ("Cable box", "office", "Hides what nobody wants to see.", 2_300),
    ("Bicycle bell", "outdoor", "Heard, not loud.", 1_400),
    ("Head torch", "outdoor", "Four hundred lumens, forty hours.", 3_900),
    ("Rain cape", "outdoor", "Packs into its own pocket.", 5_200),
    ("Trail bottle", "outdoor", "Three quarters of a litre of steel.", 2_700),
    ("Compass", "outdoor", "Works without a battery.", 2_100),
    ("Wool blanket", "home", "From one flock.", 9_800),
    ("Door mat", "home", "Coconut fibre.", 2_600),
    ("Wall clock", "home", "Silent sweep.", 6_100),
    ("Plant pot", "home", "Terracotta, with a saucer.", 1_900),
    ("Candle", "home", "Beeswax, sixty hours.", 1_500),
    ("Chess set", "games", "Weighted pieces, folding board.", 7_200),
    ("Playing cards", "games", "Linen finish.", 900),
];

/// Every product.
pub(crate) fn assortment() -> Vec<Product> {
    (1..)
        .zip(ASSORTMENT)
        .map(|(number, (name, category, description, price_minor))| Product {
            id: format!("product-{number}"),
            name: name.into(),
            category: category.into(),
            description: description.into(),
            price_minor,
            currency: "EUR".into(),
        })
        .collect()
}
