//! Where a person is: the views, what is open in them, the way back, and the same place as a link.

use crate::event::SagaKey;

/// The views of the bar, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    Overview,
    Sagas,
    Traces,
    Breakers,
    ReadModels,
    Chaos,
    Lab,
}

impl View {
    pub(crate) const ALL: [Self; 7] = [
        Self::Overview,
        Self::Sagas,
        Self::Traces,
        Self::Breakers,
        Self::ReadModels,
        Self::Chaos,
        Self::Lab,
    ];

    /// Its number key; the same views have the same numbers in every version.
    pub(crate) const fn key(self) -> char {
        match self {
            Self::Overview => '1',
            Self::Sagas => '2',
            Self::Traces => '3',
            Self::Breakers => '5',
            Self::ReadModels => '6',
            Self::Chaos => '9',
            Self::Lab => '0',
        }
    }

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Sagas => "Sagas",
            Self::Traces => "Traces",
            Self::Breakers => "Breakers",
            Self::ReadModels => "Read models",
            Self::Chaos => "Chaos",
            Self::Lab => "Lab",
        }
    }

    /// The place that its key leads to.
    pub(crate) const fn front(self) -> Place {
        match self {
            Self::Overview => Place::Overview,
            Self::Sagas => Place::Sagas,
            Self::Traces => Place::Traces,
            Self::Breakers => Place::Breakers,
            Self::ReadModels => Place::ReadModels,
            Self::Chaos => Place::Chaos,
            Self::Lab => Place::Lab,
        }
    }

    /// The next in the bar, or the one before.
    pub(crate) fn step(self, forward: bool) -> Self {
        let count = Self::ALL.len();
        let at = Self::ALL.iter().position(|view| *view == self).unwrap_or(0);
        Self::ALL[if forward { at + 1 } else { at + count - 1 } % count]
    }
}

/// What is on screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Overview,
    Sagas,
    Saga(SagaKey),
    SagaType(String),
    Traces,
    Trace(String),
    Breakers,
    ReadModels,
    Chaos,
    Lab,
    /// One experiment of the lab.
    Experiment(String),
}

impl Place {
    pub(crate) const fn view(&self) -> View {
        match self {
            Self::Overview => View::Overview,
            Self::Sagas | Self::Saga(_) | Self::SagaType(_) => View::Sagas,
            Self::Traces | Self::Trace(_) => View::Traces,
            Self::Breakers => View::Breakers,
            Self::ReadModels => View::ReadModels,
            Self::Chaos => View::Chaos,
            Self::Lab | Self::Experiment(_) => View::Lab,
        }
    }

    /// Where Esc leads.
    pub(crate) fn parent(&self) -> Option<Self> {
        let front = self.view().front();
        (front != *self).then_some(front)
    }

    /// What is open, for the breadcrumbs.
    pub(crate) fn crumb(&self) -> Option<String> {
        match self {
            Self::Saga(key) => Some(format!("{} {}", key.name, sagascope_api::text::short_id(&key.id))),
            Self::SagaType(name) => Some(format!("{name} flow")),
            Self::Trace(id) => Some(sagascope_api::text::short_id(id).to_owned()),
            Self::Experiment(name) => Some(name.clone()),
            _ => None,
        }
    }
}

/// The way a person came.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    back: Vec<Place>,
    forward: Vec<Place>,
}

/// Steps kept.
const TRAIL_LIMIT: usize = 100;

impl Trail {
    /// Remembers that `left` was left for a new place.
    pub(crate) fn leave(&mut self, left: Place) {
        if self.back.len() == TRAIL_LIMIT {
            self.back.remove(0);
        }
        self.back.push(left);
        self.forward.clear();
    }

    pub(crate) fn back(&mut self, here: &Place) -> Option<Place> {
        let place = self.back.pop()?;
        self.forward.push(here.clone());
        Some(place)
    }

    pub(crate) fn forward(&mut self, here: &Place) -> Option<Place> {
        let place = self.forward.pop()?;
        self.back.push(here.clone());
        Some(place)
    }
}

/// A place with what is to be filtered or selected there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) place: Place,
    pub(crate) filter: Option<String>,
    pub(crate) selected: Option<String>,
}

impl Link {
    pub(crate) const fn to(place: Place) -> Self {
        Self {
            place,
            filter: None,
            selected: None,
        }
    }

    /// Reads a path of the web page, such as `/sagas/7f3a?name=order`; the two screens share their links.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let value = |name: &str| {
            query.split('&').find_map(|pair| {
                let (key, value) = pair.split_once('=')?;
                (key == name).then(|| unescape(value))
            })
        };
        let mut parts = path.trim_matches('/').splitn(2, '/');
        let noun = parts.next().unwrap_or_default();
        let id = parts.next().filter(|id| !id.is_empty()).map(unescape);
        let link = match (noun, id) {
            ("", None) => Self::to(Place::Overview),
            ("sagas", None) => Self {
                filter: value("stuck")
                    .map(|stuck| format!("stuck:{stuck}"))
                    .or_else(|| value("q")),
                ..Self::to(Place::Sagas)
            },
            ("sagas", Some(id)) => match value("name") {
                Some(name) => Self::to(Place::Saga(SagaKey { name, id })),
                None => Self {
                    filter: Some(id),
                    ..Self::to(Place::Sagas)
                },
            },
            ("saga-types", Some(name)) => Self::to(Place::SagaType(name)),
            ("traces", None) => Self {
                filter: value("q"),
                ..Self::to(Place::Traces)
            },
            ("traces", Some(id)) => Self::to(Place::Trace(id)),
            ("correlations", Some(id)) => Self {
                filter: Some(format!("correlation.id:{id}")),
                ..Self::to(Place::Traces)
            },
            ("breakers", id) => Self {
                selected: id,
                ..Self::to(Place::Breakers)
            },
            ("read-models", None) => Self::to(Place::ReadModels),
            ("chaos", None) => Self::to(Place::Chaos),
            ("lab", None) => Self::to(value("experiment").map_or(Place::Lab, Place::Experiment)),
            _ => return None,
        };
        Some(link)
    }

    /// The path of the web page that shows the same.
    pub(crate) fn path(&self) -> String {
        match &self.place {
            Place::Overview => "/".into(),
            Place::Sagas => with_query("/sagas", self.filter.as_deref()),
            Place::Saga(key) => format!("/sagas/{}?name={}", escape(&key.id), escape(&key.name)),
            Place::SagaType(name) => format!("/saga-types/{}", escape(name)),
            Place::Traces => with_query("/traces", self.filter.as_deref()),
            Place::Trace(id) => format!("/traces/{}", escape(id)),
            Place::Breakers => match &self.selected {
                Some(id) => format!("/breakers/{}", escape(id)),
                None => "/breakers".into(),
            },
            Place::ReadModels => "/read-models".into(),
            Place::Chaos => "/chaos".into(),
            Place::Lab => "/lab".into(),
            Place::Experiment(name) => format!("/lab?experiment={}", escape(name)),
        }
    }
}

fn with_query(path: &str, q: Option<&str>) -> String {
    match q.filter(|q| !q.is_empty()) {
        Some(q) => format!("{path}?q={}", escape(q)),
        None => path.into(),
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let decoded = hex
            .filter(|_| first == b'%')
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match decoded {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    // A link may hide control characters behind its escapes.
    sagascope_api::text::scrub(&String::from_utf8_lossy(&bytes), 2_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_the_place_that_made_it() {
        let saga = Place::Saga(SagaKey {
            name: "order".into(),
            id: "a/b c".into(),
        });
        for place in [
            Place::Overview,
            saga,
            Place::SagaType("order".into()),
            Place::Trace("ab".into()),
            Place::Chaos,
            Place::Lab,
            Place::Experiment("stale-read".into()),
        ] {
            let link = Link::to(place);
            assert_eq!(Link::parse(&link.path()), Some(link));
        }
        let search = Link {
            filter: Some("service:payments status:error".into()),
            ..Link::to(Place::Traces)
        };
        assert_eq!(Link::parse(&search.path()), Some(search));
    }

    #[test]
    fn links_of_the_attention_list_are_understood() {
        assert_eq!(
            Link::parse("/sagas?stuck=true").unwrap().filter.as_deref(),
            Some("stuck:true")
        );
        assert_eq!(
            Link::parse("/breakers/orders~payments~1").unwrap().selected.as_deref(),
            Some("orders~payments~1")
        );
        assert_eq!(
            Link::parse("/traces?q=service:payments").unwrap().filter.as_deref(),
            Some("service:payments")
        );
        assert_eq!(Link::parse("/nowhere"), None);
        assert_eq!(
            Link::parse("/traces/%1b%").unwrap().place,
            Place::Trace("\u{fffd}%".into())
        );
    }

    #[test]
    fn the_trail_goes_back_and_forth() {
        let mut trail = Trail::default();
        trail.leave(Place::Overview);
        trail.leave(Place::Sagas);
        assert_eq!(trail.back(&Place::Chaos), Some(Place::Sagas));
        assert_eq!(trail.back(&Place::Sagas), Some(Place::Overview));
        assert_eq!(trail.back(&Place::Overview), None);
        assert_eq!(trail.forward(&Place::Overview), Some(Place::Sagas));
        trail.leave(Place::Sagas);
        assert_eq!(trail.forward(&Place::Traces), None);
    }
}
