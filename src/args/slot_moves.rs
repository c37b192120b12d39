//! Which slots CLUSTER MIGRATESLOTS moves to which node: [`SlotMove`].

use typedis_core::{Args, ToArgs};

use super::words::Words;

/// Ranges of slots, with both ends, that move to one node.
///
/// ```
/// # use typedis::args::SlotMove;
/// let moves = [
///     SlotMove::to("07c37dfeb235213a872192d90877d0cd55635b91", [(0, 99), (200, 299)]),
///     SlotMove::to("2e91b3d331793e5ed3a18b4004e7888e9d647fdf", [(100, 199)]),
/// ];
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SlotMove {
    node: String,
    ranges: Vec<(u16, u16)>,
}

impl SlotMove {
    /// Moves these ranges to the node with this id.
    pub fn to(node_id: impl Into<String>, ranges: impl IntoIterator<Item = (u16, u16)>) -> Self {
        Self {
            node: node_id.into(),
            ranges: ranges.into_iter().collect(),
        }
    }

    fn words(&self) -> Words {
        let mut words = Words::default().with("SLOTSRANGE");
        for (start, end) in &self.ranges {
            words.push(u64::from(*start));
            words.push(u64::from(*end));
        }
        words.with("NODE").with(self.node.clone())
    }
}

/// What one CLUSTER MIGRATESLOTS moves: a [`SlotMove`], an array or a `Vec` of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SlotMoves(Vec<SlotMove>);

impl From<SlotMove> for SlotMoves {
    fn from(slots: SlotMove) -> Self {
        Self(vec![slots])
    }
}

impl<const N: usize> From<[SlotMove; N]> for SlotMoves {
    fn from(moves: [SlotMove; N]) -> Self {
        Self(moves.into())
    }
}

impl From<Vec<SlotMove>> for SlotMoves {
    fn from(moves: Vec<SlotMove>) -> Self {
        Self(moves)
    }
}

impl ToArgs for SlotMoves {
    fn write_args(&self, out: &mut Args) {
        self.0
            .iter()
            .for_each(|slots| slots.words().write_args(out));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::wire::words;

    #[test]
    fn every_move_names_its_ranges_and_its_node() {
        let moves = SlotMoves::from([
            SlotMove::to("a", [(0, 1), (5, 6)]),
            SlotMove::to("b", [(2, 4)]),
        ]);
        let expected = "SLOTSRANGE 0 1 5 6 NODE a SLOTSRANGE 2 4 NODE b";
        assert_eq!(words(&moves).join(" "), expected);
    }
}
