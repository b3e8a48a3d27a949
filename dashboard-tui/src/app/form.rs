//! The fault form: every choice in it comes from what connected services say they can honour.

use sagascope_api::faults::{FaultKindOption, FaultRequest, FaultTargetOption};
use sagascope_conventions::{FaultKind, FaultStrength, FaultTarget};

/// A line of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Service,
    Kind,
    Operation,
    Percent,
    DelayMs,
    OffsetMs,
    Peer,
    Duration,
    Seed,
    Arm,
}

impl Field {
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Kind => "fault",
            Self::Operation => "operation",
            Self::Percent => "share",
            Self::DelayMs => "delay",
            Self::OffsetMs => "offset",
            Self::Peer => "cut off from",
            Self::Duration => "for",
            Self::Seed => "seed",
            Self::Arm => "",
        }
    }

    pub(crate) const fn is_number(self) -> bool {
        matches!(
            self,
            Self::Percent | Self::DelayMs | Self::OffsetMs | Self::Duration | Self::Seed
        )
    }
}

/// What has been chosen so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    service: Option<String>,
    kind: Option<FaultKind>,
    operation: Option<String>,
    peer: Option<String>,
    percent: i64,
    delay_ms: i64,
    offset_ms: i64,
    duration_seconds: i64,
    seed: i64,
    /// Digits being typed into a number.
    typing: Option<(Field, String)>,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            service: None,
            kind: None,
            operation: None,
            peer: None,
            percent: 100,
            delay_ms: 500,
            offset_ms: 60_000,
            duration_seconds: 30,
            seed: 1,
            typing: None,
        }
    }
}

/// Digits taken for one number.
const DIGITS: usize = 9;

impl Form {
    /// The service chosen, or the one that the demo's story is about, or the first.
    pub(crate) fn service<'a>(&self, catalogue: &'a [FaultTargetOption]) -> Option<&'a FaultTargetOption> {
        let named = |name: &str| catalogue.iter().find(|option| option.service == name);
        let chosen = self.service.as_deref().and_then(named);
        chosen.or_else(|| named("payments")).or_else(|| catalogue.first())
    }

    pub(crate) fn kind<'a>(&self, catalogue: &'a [FaultTargetOption]) -> Option<&'a FaultKindOption> {
        let kinds = &self.service(catalogue)?.kinds;
        let named = |kind: FaultKind| kinds.iter().find(|option| option.capability.kind == kind);
        let chosen = self.kind.and_then(named);
        chosen.or_else(|| named(FaultKind::ErrorRate)).or_else(|| kinds.first())
    }

    fn operation<'a>(&self, catalogue: &'a [FaultTargetOption]) -> Option<&'a str> {
        let operations = &self.kind(catalogue)?.capability.operations;
        let chosen = self.operation.as_ref()?;
        operations.iter().find(|name| *name == chosen).map(String::as_str)
    }

    fn peer<'a>(&self, catalogue: &'a [FaultTargetOption]) -> Option<&'a str> {
        let others = self.peers(catalogue);
        let chosen = self
            .peer
            .as_deref()
            .and_then(|peer| others.iter().copied().find(|name| *name == peer));
        chosen.or_else(|| others.first().copied())
    }

    fn peers<'a>(&self, catalogue: &'a [FaultTargetOption]) -> Vec<&'a str> {
        let target = self.service(catalogue).map(|option| option.service.as_str());
        let names = catalogue.iter().map(|option| option.service.as_str());
        names.filter(|name| Some(*name) != target).collect()
    }

    /// The lines that the chosen fault needs.
    pub(crate) fn fields(&self, catalogue: &[FaultTargetOption]) -> Vec<Field> {
        let Some(kind) = self.kind(catalogue) else {
            return vec![];
        };
        let mut fields = vec![Field::Service, Field::Kind];
        if !kind.capability.operations.is_empty() {
            fields.push(Field::Operation);
        }
        for strength in &kind.strength {
            match strength.as_str() {
                "percent" => fields.push(Field::Percent),
                "delay_ms" => fields.push(Field::DelayMs),
                "offset_ms" => fields.push(Field::OffsetMs),
                "peer" => fields.push(Field::Peer),
                _ => {}
            }
        }
        fields.extend([Field::Duration, Field::Seed, Field::Arm]);
        fields
    }

    /// A line's value with its unit.
    pub(crate) fn value(&self, field: Field, catalogue: &[FaultTargetOption]) -> String {
        let typed = self
            .typing
            .as_ref()
            .filter(|(at, _)| *at == field)
            .map(|(_, digits)| format!("{digits}_"));
        let number = |n: i64| typed.unwrap_or_else(|| n.to_string());
        match field {
            Field::Service => self
                .service(catalogue)
                .map_or_else(String::new, |option| option.service.clone()),
            Field::Kind => self.kind(catalogue).map_or_else(String::new, |option| {
                sagascope_api::text::words(option.capability.kind.as_str())
            }),
            Field::Operation => self.operation(catalogue).unwrap_or("all").to_owned(),
            Field::Peer => self.peer(catalogue).unwrap_or_default().to_owned(),
            Field::Percent => format!("{} %", number(self.percent)),
            Field::DelayMs => format!("{} ms", number(self.delay_ms)),
            Field::OffsetMs => format!("{} ms", number(self.offset_ms)),
            Field::Duration => format!("{} s", number(self.duration_seconds)),
            Field::Seed => number(self.seed),
            Field::Arm => "Arm".into(),
        }
    }

    /// What can be chosen on a line, for the list beside it.
    pub(crate) fn choices(&self, field: Field, catalogue: &[FaultTargetOption]) -> Vec<String> {
        match field {
            Field::Service => catalogue.iter().map(|option| option.service.clone()).collect(),
            Field::Kind => self.service(catalogue).map_or_else(Vec::new, |option| {
                let kinds = option.kinds.iter();
                kinds
                    .map(|kind| sagascope_api::text::words(kind.capability.kind.as_str()))
                    .collect()
            }),
            Field::Operation => self.kind(catalogue).map_or_else(Vec::new, |kind| {
                let operations = kind.capability.operations.iter().cloned();
                std::iter::once("all".to_owned()).chain(operations).collect()
            }),
            Field::Peer => self.peers(catalogue).into_iter().map(str::to_owned).collect(),
            _ => vec![],
        }
    }

    /// The next value of a line, or the one before.
    pub(crate) fn change(&mut self, field: Field, catalogue: &[FaultTargetOption], forward: bool) {
        self.typing = None;
        if field.is_number() {
            let by = if forward { 1 } else { -1 };
            self.set_number(field, step(field, self.number(field), by));
            return;
        }
        let choices = self.choices(field, catalogue);
        let now = self.value(field, catalogue);
        let at = choices.iter().position(|choice| *choice == now).unwrap_or(0);
        let next = if forward {
            at + 1
        } else {
            at + choices.len().saturating_sub(1)
        };
        let Some(next) = next.checked_rem(choices.len()) else {
            return;
        };
        match field {
            Field::Service => self.service = catalogue.get(next).map(|option| option.service.clone()),
            Field::Kind => {
                let kinds = self.service(catalogue).map(|option| option.kinds.as_slice());
                self.kind = kinds.and_then(|kinds| kinds.get(next)).map(|kind| kind.capability.kind);
            }
            Field::Operation => self.operation = (next > 0).then(|| choices[next].clone()),
            Field::Peer => self.peer = Some(choices[next].clone()),
            _ => {}
        }
    }

    /// Takes a digit typed on a number's line; the first one starts the number anew.
    pub(crate) fn digit(&mut self, field: Field, digit: char) {
        if !field.is_number() {
            return;
        }
        let mut digits = match self.typing.take() {
            Some((at, digits)) if at == field => digits,
            _ => String::new(),
        };
        if digits.len() < DIGITS {
            digits.push(digit);
        }
        self.set_number(field, digits.parse().unwrap_or(0));
        self.typing = Some((field, digits));
    }

    pub(crate) fn backspace(&mut self, field: Field) {
        if !field.is_number() {
            return;
        }
        let mut digits = match self.typing.take() {
            Some((at, digits)) if at == field => digits,
            _ => self.number(field).to_string(),
        };
        digits.pop();
        self.set_number(field, digits.parse().unwrap_or(0));
        self.typing = Some((field, digits));
    }

    /// Ends typing: what stands in the number is brought within its bounds.
    pub(crate) fn settle(&mut self) {
        if let Some((field, _)) = self.typing.take() {
            let (low, high) = bounds(field);
            self.set_number(field, self.number(field).clamp(low, high));
        }
    }

    /// The fault as it would be asked for.
    pub(crate) fn request(&self, catalogue: &[FaultTargetOption]) -> Option<FaultRequest> {
        let service = self.service(catalogue)?;
        let kind = self.kind(catalogue)?;
        let needs = |name: &str| kind.strength.iter().any(|strength| strength == name);
        let number = |field| {
            let (low, high) = bounds(field);
            self.number(field).clamp(low, high)
        };
        Some(FaultRequest {
            target: FaultTarget {
                service: service.service.clone(),
                operation: self.operation(catalogue).map(str::to_owned),
                instance: None,
            },
            kind: kind.capability.kind,
            strength: FaultStrength {
                percent: needs("percent").then(|| number(Field::Percent) as u8),
                delay_ms: needs("delay_ms").then(|| number(Field::DelayMs) as u64),
                offset_ms: needs("offset_ms").then(|| number(Field::OffsetMs)),
                peer: needs("peer").then(|| self.peer(catalogue).unwrap_or_default().to_owned()),
            },
            duration_seconds: number(Field::Duration) as u64,
            seed: Some(number(Field::Seed) as u64),
        })
    }

    const fn number(&self, field: Field) -> i64 {
        match field {
            Field::Percent => self.percent,
            Field::DelayMs => self.delay_ms,
            Field::OffsetMs => self.offset_ms,
            Field::Duration => self.duration_seconds,
            _ => self.seed,
        }
    }

    fn set_number(&mut self, field: Field, value: i64) {
        match field {
            Field::Percent => self.percent = value,
            Field::DelayMs => self.delay_ms = value,
            Field::OffsetMs => self.offset_ms = value,
            Field::Duration => self.duration_seconds = value,
            Field::Seed => self.seed = value,
            _ => {}
        }
    }
}

/// Least and greatest that make sense; the collector has the last word.
const fn bounds(field: Field) -> (i64, i64) {
    match field {
        Field::Percent => (1, 100),
        Field::DelayMs => (1, 60_000),
        Field::OffsetMs => (-86_400_000, 86_400_000),
        Field::Duration => (1, 3_600),
        _ => (0, 999_999_999),
    }
}

/// The next value by arrow keys: round numbers, finer near the low end.
fn step(field: Field, value: i64, by: i64) -> i64 {
    let stride = match field {
        Field::Percent => 10,
        Field::DelayMs if value < 1_000 || (value == 1_000 && by < 0) => 100,
        Field::DelayMs => 500,
        Field::OffsetMs => 10_000,
        Field::Duration if value < 60 || (value == 60 && by < 0) => 10,
        Field::Duration => 60,
        _ => 1,
    };
    let (low, high) = bounds(field);
    let round = if by > 0 {
        value.div_euclid(stride) + 1
    } else {
        (value - 1).div_euclid(stride)
    };
    (round * stride).clamp(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fixture;

    #[test]
    fn the_form_asks_only_for_what_the_fault_needs() {
        let catalogue = fixture::catalogue();
        let mut form = Form::default();
        assert_eq!(form.value(Field::Service, &catalogue), "payments");
        assert_eq!(
            form.fields(&catalogue),
            [
                Field::Service,
                Field::Kind,
                Field::Percent,
                Field::Duration,
                Field::Seed,
                Field::Arm
            ]
        );
        while form.value(Field::Kind, &catalogue) != "crash" {
            form.change(Field::Kind, &catalogue, true);
        }
        assert!(!form.fields(&catalogue).contains(&Field::Percent));
        assert_eq!(form.request(&catalogue).unwrap().strength, FaultStrength::default());
    }

    #[test]
    fn numbers_are_typed_stepped_and_kept_within_bounds() {
        let catalogue = fixture::catalogue();
        let mut form = Form::default();
        form.digit(Field::Percent, '2');
        form.digit(Field::Percent, '5');
        assert_eq!(form.value(Field::Percent, &catalogue), "25_ %");
        form.change(Field::Percent, &catalogue, true);
        assert_eq!(form.value(Field::Percent, &catalogue), "30 %");
        form.change(Field::Percent, &catalogue, false);
        assert_eq!(form.value(Field::Percent, &catalogue), "20 %");
        for _ in 0..20 {
            form.digit(Field::Percent, '9');
        }
        assert_eq!(form.request(&catalogue).unwrap().strength.percent, Some(100));
        form.settle();
        assert_eq!(form.value(Field::Percent, &catalogue), "100 %");
        form.backspace(Field::Duration);
        assert_eq!(form.value(Field::Duration, &catalogue), "3_ s");
    }

    #[test]
    fn a_service_that_went_away_is_not_asked_for() {
        let catalogue = fixture::catalogue();
        let mut form = Form::default();
        form.change(Field::Service, &catalogue, true);
        assert!(form.request(&catalogue).is_some());
        assert_eq!(form.request(&[]), None);
        assert_eq!(form.fields(&[]), []);
        form.change(Field::Service, &[], true);
    }
}
