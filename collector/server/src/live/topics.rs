//! A set of topics.

use sagascope_api::live::Topic;

/// Which topics someone watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Topics(u16);

impl Topics {
    pub(crate) fn all() -> Self {
        Topic::ALL.iter().fold(Self::default(), |all, topic| all.with(*topic))
    }

    /// Words separated by commas; the first unknown one is the error, cut short.
    pub(crate) fn parse(list: &str) -> Result<Self, String> {
        let mut topics = Self::default();
        for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let topic = Topic::parse(word).ok_or_else(|| word.chars().take(40).collect::<String>())?;
            topics = topics.with(topic);
        }
        Ok(topics)
    }

    pub(crate) const fn with(self, topic: Topic) -> Self {
        Self(self.0 | bit(topic))
    }

    pub(crate) const fn without(self, topic: Topic) -> Self {
        Self(self.0 & !bit(topic))
    }

    pub(crate) const fn contains(self, topic: Topic) -> bool {
        self.0 & bit(topic) != 0
    }

    /// Those of `self` that are not in `other`.
    pub(crate) const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// In the order of snapshots.
    pub(crate) fn iter(self) -> impl Iterator<Item = Topic> {
        Topic::ALL.iter().copied().filter(move |topic| self.contains(*topic))
    }
}

const fn bit(topic: Topic) -> u16 {
    1 << topic as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_read_and_changed() {
        let some = Topics::parse("sagas, breakers,,sagas").unwrap();
        assert_eq!(some.iter().collect::<Vec<_>>(), [Topic::Breakers, Topic::Sagas]);
        assert_eq!(some.without(Topic::Sagas).iter().collect::<Vec<_>>(), [Topic::Breakers]);
        assert_eq!(Topics::all().minus(some).iter().count(), Topic::ALL.len() - 2);
        assert_eq!(Topics::parse("sagas,nonsense"), Err("nonsense".into()));
    }
}
