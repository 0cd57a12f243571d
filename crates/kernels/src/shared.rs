//! The weights of narrow paths, side by side in the lanes of a vector.

use std::ops::Range;

use crate::dense::Column;
use crate::layout::Output;
use crate::pack::Panels;

/// The weights of paths side by side in panels. Made when the first of them is first used, and kept with it for
/// the same list of paths; for any other it is made at each use.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The numbers of the paths' kernels.
    numbers: Vec<u64>,
    /// The paths of each panel.
    panels: Vec<(Range<usize>, Panels)>,
}

impl Shared {
    /// Of kernels of these numbers.
    pub(crate) fn new(numbers: Vec<u64>, paths: &[&Panels], width: usize) -> Self {
        let mut shared = Vec::new();
        let mut first = 0;
        while first < paths.len() {
            let (mut end, mut channels) = (first, 0);
            while end < paths.len() && (end == first || channels + paths[end].channels <= width) {
                channels += paths[end].channels;
                end += 1;
            }
            let taps = paths[first].runs().last().map_or(0, |run| run.end);
            let mut panels = Panels::zeros(channels, taps, width);
            let mut lane = 0;
            for path in &paths[first..end] {
                panels.put(lane, path);
                lane += path.channels;
            }
            shared.push((first..end, panels));
            first = end;
        }
        Self { numbers, panels: shared }
    }

    pub(crate) fn is_of(&self, numbers: &[u64]) -> bool {
        self.numbers == numbers
    }

    pub(crate) fn columns<'p>(
        &'p self,
        panels: &[&Panels],
        paths: &mut [Output],
    ) -> Vec<Column<'p>> {
        let mut channel = 0;
        let column = |(range, shared): &'p (Range<usize>, Panels)| {
            let slot = |path: usize| paths[path].slot(0, 0, panels[path].channels, None);
            let slots = range.clone().map(slot).collect();
            let column = Column { panels: shared, panel: 0, channel, slots };
            channel += shared.channels;
            column
        };
        self.panels.iter().map(column).collect()
    }
}
