//! What is drawn: a pure function from the state to the cells, a file a screen.

mod breakers;
mod canaries;
mod canvas;
mod chaos;
mod chart;
mod chrome;
mod figures;
mod invariants;
mod lab;
mod model_lines;
mod overlays;
mod overview;
mod read_models;
mod saga_flow;
mod saga_graph;
mod saga_types;
mod sagas;
mod table;
mod traces;
mod waterfall;
mod words;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use sagascope_api::Time;

use crate::app::place::Place;
use crate::app::{App, Drawn};
use canvas::Canvas;

/// Below this nothing can be told.
const LEAST_WIDTH: u16 = 40;
const LEAST_HEIGHT: u16 = 10;

/// Draws the whole screen. What it drew where comes back, for clicks and pages.
pub(crate) fn draw(app: &App, frame: &mut Frame, now: Time) -> Drawn {
    let area = frame.area();
    let mut canvas = Canvas::new(app, frame.buffer_mut(), now);
    if area.width < LEAST_WIDTH || area.height < LEAST_HEIGHT {
        too_small(&mut canvas, area);
        return canvas.finish();
    }
    let banner = chrome::banner(&canvas, now);
    let [header, tabs, warning, body, hints] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(u16::from(banner.is_some())),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(area);
    chrome::header(&mut canvas, header, now);
    chrome::tabs(&mut canvas, tabs);
    if let Some(banner) = banner {
        canvas.line(warning, banner);
    }
    draw_place(&mut canvas, body);
    chrome::hints(&mut canvas, hints);
    overlays::draw(&mut canvas, area);
    canvas.finish()
}

fn draw_place(canvas: &mut Canvas, body: Rect) {
    match &canvas.app.place {
        Place::Overview => overview::draw(canvas, body),
        Place::Sagas | Place::Saga(_) => sagas::draw(canvas, body),
        Place::SagaType(name) => saga_graph::draw(canvas, body, name),
        Place::Traces => traces::draw(canvas, body),
        Place::Trace(id) => waterfall::draw(canvas, body, id),
        Place::Breakers => breakers::draw(canvas, body),
        Place::ReadModels => read_models::draw(canvas, body),
        Place::Chaos => chaos::draw(canvas, body),
        Place::Lab => lab::draw(canvas, body),
        Place::Experiment(name) => lab::draw_one(canvas, body, name),
    }
}

fn too_small(canvas: &mut Canvas, area: Rect) {
    let text = format!(
        "{}x{} is too small: {LEAST_WIDTH}x{LEAST_HEIGHT} at least. q quits",
        area.width, area.height
    );
    canvas.paragraph(area, text.into());
}
