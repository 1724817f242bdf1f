//! Topics and letters on the command line: `stock`, `stock:0:17`.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use messaging::{LetterPosition, Topic};
use serde::{Serialize, Serializer};

/// A topic of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TopicName {
    Order,
    Payment,
    Stock,
}

/// A letter, identified by its topic and its partition and offset in the dead-letter topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Handle(pub(super) LetterPosition);

impl TopicName {
    const ALL: [Self; 3] = [Self::Order, Self::Payment, Self::Stock];

    fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Payment => "payment",
            Self::Stock => "stock",
        }
    }

    /// The chosen topics, each once; all if none was chosen.
    pub(super) fn or_all(chosen: &[Self]) -> Vec<Topic> {
        let is_chosen = |name: &Self| chosen.is_empty() || chosen.contains(name);
        Self::ALL.into_iter().filter(is_chosen).map(Topic::from).collect()
    }
}

impl From<TopicName> for Topic {
    fn from(name: TopicName) -> Self {
        match name {
            TopicName::Order => Self::Orders,
            TopicName::Payment => Self::Payments,
            TopicName::Stock => Self::Stock,
        }
    }
}

impl From<Topic> for TopicName {
    fn from(topic: Topic) -> Self {
        match topic {
            Topic::Orders => Self::Order,
            Topic::Payments => Self::Payment,
            Topic::Stock => Self::Stock,
        }
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LetterPosition { topic, partition, offset } = self.0;
        write!(f, "{}:{partition}:{offset}", TopicName::from(topic).name())
    }
}

impl FromStr for Handle {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (topic, position) = text.split_once(':')?;
            let (partition, offset) = position.split_once(':')?;
            let topic = TopicName::ALL.into_iter().find(|known| known.name() == topic)?.into();
            // Digits only: `parse` would accept a sign too.
            let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then_some(());
            is_number(partition).and(is_number(offset))?;
            Some(LetterPosition { topic, partition: partition.parse().ok()?, offset: offset.parse().ok()? })
        };
        read().map(Self).ok_or("must be as `nines dlt list` prints it, such as stock:0:17")
    }
}

impl Serialize for Handle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_handle_can_be_parsed() {
        for text in ["order:0:0", "payment:3:17", "stock:0:9223372036854775807"] {
            assert_eq!(text.parse::<Handle>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", "stock", "stock:0", "stock:0:", "stock::1", "stock:0:-1", "stock:0:+1", "stock:0:1:2", "user:0:1"]
        {
            assert!(text.parse::<Handle>().is_err(), "{text}");
        }
        assert!("stock:0:9223372036854775808".parse::<Handle>().is_err());
        assert!("stock:2147483648:0".parse::<Handle>().is_err());
    }

    #[test]
    fn chosen_topics_or_all_are_used() {
        assert_eq!(TopicName::or_all(&[]), Topic::ALL);
        assert_eq!(TopicName::or_all(&[TopicName::Stock, TopicName::Stock]), [Topic::Stock]);
    }
}
