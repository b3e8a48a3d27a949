//! `POST /graphql`: the same parts as the composed answers, of which the client takes what it wants.
//!
//! A question may be ten deep and cost so many parts; each part that cannot be had is an error beside the others' data.

use async_graphql::{
    ComplexObject, Context, EmptyMutation, EmptySubscription, Error, ErrorExtensions as _, ID, Object, Request, Schema,
    SimpleObject,
};
use axum::Json;
use axum::extract::{Extension, State};
use serde::Deserialize;
use serde_json::{Value, json};
use shop_kit::caller::Caller;
use shop_kit::problem::Problem;
use shop_kit::request::{Body, check_id};

use crate::active_users::{self, DAYS, MAX_DAYS, MAX_PAGE, PAGE, within};
use crate::guard::Visitor;
use crate::http::Gateway;
use crate::upstream;

/// Levels of a question.
const MAX_DEPTH: usize = 10;
/// Fields of a question, those of each item of a list counted for as many as there may be.
const MAX_COMPLEXITY: usize = 2_500;
/// Orders of a user that a question is reckoned with.
const RECKONED_ORDERS: usize = 5;
/// Items of an order that a question is reckoned with.
const RECKONED_ITEMS: usize = 3;

/// What can be asked.
pub(crate) type Graph = Schema<Query, EmptyMutation, EmptySubscription>;

/// The schema with its limits.
pub(crate) fn graph() -> Graph {
    Schema::build(Query, EmptyMutation, EmptySubscription)
        .limit_depth(MAX_DEPTH)
        .limit_complexity(MAX_COMPLEXITY)
        .limit_recursive_depth(2 * MAX_DEPTH)
        .finish()
}

/// The endpoint. What is wrong with a question stands in the answer, as GraphQL has it.
pub(crate) async fn ask(
    State(gateway): State<Gateway>,
    Extension(visitor): Extension<Visitor>,
    Body(request): Body<Request>,
) -> Result<Json<Value>, Problem> {
    if request.query.trim().is_empty() {
        return Err(Problem::bad_field(
            "query",
            "give a question, such as { order(id: \"…\") { status } }",
        ));
    }
    let graph = gateway.graph.clone();
    let answer = graph.execute(request.data(gateway).data(visitor)).await;
    let written = serde_json::to_value(answer);
    Ok(Json(written.unwrap_or_else(
        |error| json!({ "errors": [{ "message": error.to_string() }] }),
    )))
}

/// Where every question begins.
pub(crate) struct Query;

#[Object]
impl Query {
    /// One order.
    async fn order(&self, context: &Context<'_>, id: ID) -> Result<Option<Order>, Error> {
        check_id("id", &id).map_err(told)?;
        let gateway = context.data::<Gateway>()?;
        let order: Option<Order> = find(&gateway.upstream.orders, &format!("/api/v1/orders/{}", *id)).await?;
        if let Some(order) = &order {
            gateway
                .guard
                .allow_own(context.data::<Visitor>()?, &order.customer_id)
                .map_err(told)?;
        }
        Ok(order)
    }

    /// Active users in the order of their registration.
    #[graphql(complexity = "first.unwrap_or(PAGE).min(MAX_PAGE) as usize * child_complexity + 1")]
    async fn active_users(
        &self,
        context: &Context<'_>,
        first: Option<u32>,
        after: Option<String>,
    ) -> Result<Vec<User>, Error> {
        let gateway = context.data::<Gateway>()?;
        gateway.guard.allow_all(context.data::<Visitor>()?).map_err(told)?;
        let first = within("first", first.unwrap_or(PAGE), MAX_PAGE).map_err(told)?;
        let page = active_users::users(&gateway.upstream, first, after.as_deref())
            .await
            .map_err(told)?;
        read(page["items"].clone())
    }

    /// One product.
    async fn product(&self, context: &Context<'_>, id: ID) -> Result<Option<Product>, Error> {
        product(context, &id).await
    }
}

/// An order.
#[derive(Clone, Debug, Deserialize, SimpleObject)]
#[graphql(complex)]
pub(crate) struct Order {
    #[serde(rename = "order_id")]
    id: String,
    #[graphql(skip)]
    #[serde(default)]
    customer_id: String,
    status: String,
    total_minor: i64,
    currency: Option<String>,
    reason: Option<String>,
    tracking_number: Option<String>,
    created_at_ms: Option<i64>,
    /// Lists have a number here instead of items: the items are asked for when they are wanted.
    #[graphql(skip)]
    #[serde(default)]
    items: Value,
}

#[ComplexObject]
impl Order {
    /// What was ordered.
    #[graphql(complexity = "RECKONED_ITEMS * child_complexity + 1")]
    async fn items(&self, context: &Context<'_>) -> Result<Option<Vec<Item>>, Error> {
        if self.items.is_array() {
            return read(self.items.clone()).map(Some);
        }
        let gateway = context.data::<Gateway>()?;
        let whole: Option<Self> = find(&gateway.upstream.orders, &format!("/api/v1/orders/{}", self.id)).await?;
        whole.map(|order| read(order.items)).transpose()
    }

    /// Who ordered; nobody for a guest.
    async fn user(&self, context: &Context<'_>) -> Result<Option<User>, Error> {
        check_id("customer_id", &self.customer_id).map_err(told)?;
        let gateway = context.data::<Gateway>()?;
        find(&gateway.upstream.users, &format!("/api/v1/users/{}", self.customer_id)).await
    }

    /// Where the payment stands.
    async fn payment(&self, context: &Context<'_>) -> Result<Option<String>, Error> {
        let gateway = context.data::<Gateway>()?;
        let payment: Option<Value> = find(&gateway.upstream.payments, &format!("/api/v1/payments/{}", self.id)).await?;
        Ok(payment.and_then(|payment| payment["payment"]["state"].as_str().map(ToOwned::to_owned)))
    }
}

/// A line of an order.
#[derive(Clone, Debug, Deserialize, SimpleObject)]
#[graphql(complex)]
pub(crate) struct Item {
    product_id: String,
    quantity: u32,
    unit_price_minor: i64,
}

#[ComplexObject]
impl Item {
    /// What the catalog says of it now.
    async fn product(&self, context: &Context<'_>) -> Result<Option<Product>, Error> {
        product(context, &self.product_id).await
    }
}

/// A product of the catalog.
#[derive(Clone, Debug, Deserialize, SimpleObject)]
pub(crate) struct Product {
    id: String,
    name: String,
    category: String,
    description: String,
    price_minor: i64,
    currency: String,
}

/// A user. Address and name are for the user and for administrators.
#[derive(Clone, Debug, Deserialize, SimpleObject)]
#[graphql(complex)]
pub(crate) struct User {
    id: String,
    display_name: String,
    tier: String,
    status: String,
    #[graphql(skip)]
    email: String,
    #[graphql(skip)]
    name: String,
}

#[ComplexObject]
impl User {
    /// The address, for whom it concerns.
    async fn email(&self, context: &Context<'_>) -> Result<Option<&str>, Error> {
        Ok(self.is_seen_by(context)?.then_some(self.email.as_str()))
    }

    /// The name, for whom it concerns.
    async fn name(&self, context: &Context<'_>) -> Result<Option<&str>, Error> {
        Ok(self.is_seen_by(context)?.then_some(self.name.as_str()))
    }

    /// Orders of the last days, the newest first.
    #[graphql(complexity = "RECKONED_ORDERS * child_complexity + 1")]
    async fn orders(&self, context: &Context<'_>, last_days: Option<u32>) -> Result<Option<Vec<Order>>, Error> {
        let days = within("lastDays", last_days.unwrap_or(DAYS), MAX_DAYS).map_err(told)?;
        let gateway = context.data::<Gateway>()?;
        let orders = active_users::orders_since(&gateway.upstream, &self.id, days).await;
        if let Some(reason) = orders["unavailable"].as_str() {
            return Err(told(Problem::unavailable(reason)));
        }
        let mut orders: Vec<Order> = read(orders)?;
        orders
            .iter_mut()
            .for_each(|order| order.customer_id.clone_from(&self.id));
        Ok(Some(orders))
    }
}

impl User {
    fn is_seen_by(&self, context: &Context<'_>) -> Result<bool, Error> {
        let visitor = context.data::<Visitor>()?;
        Ok(visitor.0.as_ref().is_some_and(|identity| identity.is(&self.id)))
    }
}

async fn product(context: &Context<'_>, id: &str) -> Result<Option<Product>, Error> {
    check_id("id", id).map_err(told)?;
    let gateway = context.data::<Gateway>()?;
    find(&gateway.upstream.catalog, &format!("/api/v1/products/{id}")).await
}

/// What the service has; nothing when it has none.
async fn find<T: for<'de> Deserialize<'de>>(service: &Caller, path: &str) -> Result<Option<T>, Error> {
    match upstream::get(service, path).await {
        Ok(found) => read(found).map(Some),
        Err(problem) if problem.status == 404 => Ok(None),
        Err(problem) => Err(told(problem)),
    }
}

fn read<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|_| Error::new("a service answered what it should not"))
}

fn told(problem: Problem) -> Error {
    Error::new(format!("{}: {}", problem.title, problem.detail))
        .extend_with(|_, extensions| extensions.set("code", problem.code.clone()))
}
