//! The ways in which the demo shop can carry an order out, and in which shares its shoppers ask for each.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::states::words;

words! {
    /// One way of carrying an order out; the business rules are the same in each.
    #[derive(Default)]
    OrderFlow {
        /// First generation: the request handler calls one service after the other.
        Sync = "sync",
        /// Second: commands and replies over the broker, published beside the commit.
        Broker = "broker",
        /// Third: the second with idempotency keys, breakers, outbox and inbox.
        Hardened = "hardened",
        /// Fourth: orchestrator, event sourcing and read models.
        #[default]
        EventSourced = "event_sourced",
        /// No orchestrator: each service reacts to what it hears.
        Choreographed = "choreographed",
    }
}

impl OrderFlow {
    /// `saga.name` of its instances.
    #[must_use]
    pub const fn saga_name(self) -> &'static str {
        match self {
            Self::Sync => "order-sync",
            Self::Broker => "order-broker",
            Self::Hardened => "order-hardened",
            Self::EventSourced => "order",
            Self::Choreographed => "order-choreographed",
        }
    }
}

/// Largest share of one flow.
const SHARE_MAX: u32 = 1_000;

/// Shares of the flows, such as `event_sourced=6,choreographed=2`; those left out get none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, u32>", into = "BTreeMap<OrderFlow, u32>")]
pub struct FlowMix([u32; OrderFlow::ALL.len()]);

impl Default for FlowMix {
    /// All five are seen, the fourth generation most.
    fn default() -> Self {
        Self([1, 1, 2, 8, 3])
    }
}

impl FlowMix {
    /// One flow alone.
    #[must_use]
    pub fn only(flow: OrderFlow) -> Self {
        let mut shares = [0; OrderFlow::ALL.len()];
        shares[flow as usize] = 1;
        Self(shares)
    }

    /// The share of a flow.
    #[must_use]
    pub const fn share(self, flow: OrderFlow) -> u32 {
        self.0[flow as usize]
    }

    /// The flow that a `dice` stands for; every number has one, each flow as often as its share says.
    #[must_use]
    pub fn pick(self, dice: u64) -> OrderFlow {
        let mut left = dice % self.0.iter().copied().map(u64::from).sum::<u64>().max(1);
        for (flow, share) in self.shares() {
            match left.checked_sub(u64::from(share)) {
                Some(rest) => left = rest,
                None => return flow,
            }
        }
        OrderFlow::default()
    }

    /// Those above zero, in order of generation.
    fn shares(self) -> impl Iterator<Item = (OrderFlow, u32)> {
        let all = OrderFlow::ALL.iter().map(move |&flow| (flow, self.share(flow)));
        all.filter(|(_, share)| *share > 0)
    }

    fn of(shares: impl IntoIterator<Item = (OrderFlow, u32)>) -> Result<Self, MixError> {
        let mut mix = Self([0; OrderFlow::ALL.len()]);
        for (flow, share) in shares {
            if share > SHARE_MAX {
                return Err(MixError::Share(flow.as_str().to_owned()));
            }
            mix.0[flow as usize] = share;
        }
        if mix.shares().next().is_none() {
            return Err(MixError::Empty);
        }
        Ok(mix)
    }
}

/// Why shares are no mix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MixError {
    /// No flow of that word.
    Unknown(String),
    /// A share is no number from 0 to 1000.
    Share(String),
    /// Nothing above zero.
    Empty,
}

impl fmt::Display for MixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(word) => {
                let known: Vec<&str> = OrderFlow::ALL.iter().map(|flow| flow.as_str()).collect();
                let word: String = word.chars().take(40).collect();
                write!(f, "there is no flow {word:?}; there are {}", known.join(", "))
            }
            Self::Share(word) => write!(f, "the share of {word} must be a whole number from 0 to {SHARE_MAX}"),
            Self::Empty => f.write_str("give at least one flow a share above 0, such as event_sourced=1"),
        }
    }
}

impl std::error::Error for MixError {}

impl FromStr for FlowMix {
    type Err = MixError;

    fn from_str(text: &str) -> Result<Self, MixError> {
        let mut shares = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (word, share) = part.split_once('=').unwrap_or((part, "1"));
            let flow = OrderFlow::parse(word.trim()).ok_or_else(|| MixError::Unknown(word.trim().to_owned()))?;
            let share = share
                .trim()
                .parse()
                .map_err(|_| MixError::Share(word.trim().to_owned()))?;
            shares.push((flow, share));
        }
        Self::of(shares)
    }
}

impl fmt::Display for FlowMix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (flow, share)) in self.shares().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}={share}", flow.as_str())?;
        }
        Ok(())
    }
}

impl TryFrom<BTreeMap<String, u32>> for FlowMix {
    type Error = MixError;

    fn try_from(shares: BTreeMap<String, u32>) -> Result<Self, MixError> {
        let known = |(word, share): (String, u32)| match OrderFlow::parse(&word) {
            Some(flow) => Ok((flow, share)),
            None => Err(MixError::Unknown(word)),
        };
        Self::of(shares.into_iter().map(known).collect::<Result<Vec<_>, _>>()?)
    }
}

impl From<FlowMix> for BTreeMap<OrderFlow, u32> {
    fn from(mix: FlowMix) -> Self {
        mix.shares().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_reads_back_as_written() {
        for text in [
            "event_sourced=6,choreographed=2",
            "sync=1",
            "sync=1,broker=2,hardened=1000",
        ] {
            let mix: FlowMix = text.parse().expect(text);
            assert_eq!(mix.to_string(), text);
            let json = serde_json::to_string(&mix).expect("json");
            assert_eq!(serde_json::from_str::<FlowMix>(&json).expect("reads"), mix);
        }
        assert_eq!("sync".parse(), Ok(FlowMix::only(OrderFlow::Sync)));
        assert_eq!(
            " broker = 0 , hardened=1".parse(),
            Ok(FlowMix::only(OrderFlow::Hardened))
        );
    }

    #[test]
    fn what_is_no_mix_says_why() {
        for (text, error) in [
            ("", MixError::Empty),
            ("sync=0", MixError::Empty),
            ("carrier_pigeon=1", MixError::Unknown("carrier_pigeon".into())),
            ("sync=-1", MixError::Share("sync".into())),
            ("sync=1001", MixError::Share("sync".into())),
        ] {
            assert_eq!(text.parse::<FlowMix>(), Err(error), "{text:?}");
        }
        assert!(serde_json::from_str::<FlowMix>(r#"{"teleport": 1}"#).is_err());
    }

    #[test]
    fn each_flow_is_picked_as_often_as_its_share_says() {
        let mix = FlowMix::default();
        let mut picked: BTreeMap<OrderFlow, u32> = BTreeMap::new();
        let sum: u32 = OrderFlow::ALL.iter().map(|flow| mix.share(*flow)).sum();
        for dice in 0..u64::from(sum) {
            *picked.entry(mix.pick(dice)).or_default() += 1;
        }
        assert_eq!(picked, BTreeMap::from(mix));
    }
}
