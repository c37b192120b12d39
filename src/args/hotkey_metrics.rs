//! What HOTKEYS START measures: [`HotkeyMetrics`].

use typedis_core::{Args, ToArgs};

/// What makes a key a hot one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HotkeyMetrics {
    /// The time that its commands take.
    Cpu,
    /// The bytes that its commands send and receive.
    Net,
    /// Both, in a list for each.
    CpuAndNet,
}

impl ToArgs for HotkeyMetrics {
    fn write_args(&self, out: &mut Args) {
        let words: &[&'static str] = match self {
            Self::Cpu => &["CPU"],
            Self::Net => &["NET"],
            Self::CpuAndNet => &["CPU", "NET"],
        };
        out.item(&(words.len() as u64));
        words.iter().for_each(|word| out.word(word));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::wire::words;

    #[test]
    fn metrics_are_counted() {
        assert_eq!(words(&HotkeyMetrics::Net), ["1", "NET"]);
        assert_eq!(words(&HotkeyMetrics::CpuAndNet), ["2", "CPU", "NET"]);
    }
}
