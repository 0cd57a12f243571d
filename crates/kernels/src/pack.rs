//! Weights packed as the dense tile reads them: in panels of one or two vectors of output channels.

use std::ops::Range;

use crate::dense::Column;
use crate::layout::Output;
use crate::memory::WeightMemory;
use crate::pixels::Taps;
use crate::tiles::balanced;

/// The most taps in a run. A run is summed for all pixels before the next run begins, so that the
/// panel's weights for that run stay in the L1 cache.
const DEPTH: usize = 256;

/// The weights of the output channels of one group, for all taps. The taps are split into runs of at most [`DEPTH`]
/// taps. All weights of a run come before those of the next run. Within a run, the weights are ordered by panel of
/// output channels. Within a panel, they are ordered by tap, and for each tap by output channel. The last panel is
/// padded with zeros.
#[derive(Debug)]
pub(crate) struct Panels {
    weights: WeightMemory,
    /// Channels of a panel.
    pub(crate) width: usize,
    pub(crate) channels: usize,
    /// The runs of taps, in summation order.
    pub(crate) runs: Vec<Range<usize>>,
}

impl Panels {
    /// `weight(o, k)` is the weight of output channel `o` at tap `k`. `width` is a multiple of the number of lanes.
    pub(crate) fn new(
        channels: usize,
        taps: usize,
        width: usize,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let mut panels = Self::zeros(channels, taps, width);
        for channel in 0..channels {
            for run in panels.runs.clone() {
                let start = panels.start(&run, channel / width);
                for (step, tap) in run.enumerate() {
                    panels.weights[start + step * width + channel % width] = weight(channel, tap);
                }
            }
        }
        panels
    }

    pub(crate) fn zeros(channels: usize, taps: usize, width: usize) -> Self {
        let weights = WeightMemory::zeros(channels.div_ceil(width) * width * taps);
        // As few runs as possible, of nearly the same length.
        Self { weights, width, channels, runs: balanced(0..taps, DEPTH).collect() }
    }

    /// Copies the channels of `path` to the channels of `self` from `first` on. `path` has one panel, the copied
    /// channels lie in one panel of `self`, and both have the same number of taps.
    pub(crate) fn put(&mut self, first: usize, path: &Self) {
        for run in self.runs.clone() {
            let to = self.start(&run, first / self.width) + first % self.width;
            let from = path.start(&run, 0);
            for step in 0..run.len() {
                let row = &path.weights[from + step * path.width..][..path.channels];
                self.weights[to + step * self.width..][..path.channels].copy_from_slice(row);
            }
        }
    }

    /// The taps of each run. `segments` are all taps, in order.
    pub(crate) fn cut(&self, segments: &[Taps]) -> Vec<Vec<Taps>> {
        let inside = |run: &Range<usize>| {
            let mut start = 0;
            let inside = segments.iter().filter_map(|segment| {
                let (first, end) = (start, start + segment.length);
                start = end;
                let (from, to) = (first.max(run.start), end.min(run.end));
                (from < to)
                    .then(|| Taps { offset: segment.offset + from - first, length: to - from })
            });
            inside.collect()
        };
        self.runs.iter().map(inside).collect()
    }

    /// Number of panels.
    pub(crate) fn count(&self) -> usize {
        self.channels.div_ceil(self.width)
    }

    /// Channels of panel `panel`, without the padding.
    pub(crate) fn filled(&self, panel: usize) -> usize {
        self.width.min(self.channels - panel * self.width)
    }

    /// The weights of a panel for one run of taps, ordered by tap, then by channel.
    pub(crate) fn weights(&self, run: usize, panel: usize) -> &[f32] {
        let run = &self.runs[run];
        let start = self.start(run, panel);
        &self.weights[start..start + run.len() * self.width]
    }

    fn start(&self, run: &Range<usize>, panel: usize) -> usize {
        (run.start * self.count() + panel * run.len()) * self.width
    }
}

/// The weights of several paths, side by side in panels. They are packed when the first path is first used, and
/// stored with that path. Later uses of the same list of paths find them there. For any other list of paths, the
/// weights are packed again at each use.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The numbers of the paths' kernels.
    pub(crate) numbers: Vec<u64>,
    /// The panels, each with the range of paths in it.
    panels: Vec<(Range<usize>, Panels)>,
}

impl Shared {
    /// Packs the paths whose kernels have these numbers.
    pub(crate) fn new(numbers: Vec<u64>, paths: &[&Panels], width: usize) -> Self {
        let mut shared = Vec::new();
        let mut first = 0;
        while first < paths.len() {
            let (mut end, mut channels) = (first, 0);
            while end < paths.len() && (end == first || channels + paths[end].channels <= width) {
                channels += paths[end].channels;
                end += 1;
            }
            let taps = paths[first].runs.last().map_or(0, |run| run.end);
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

    /// Makes the panels into columns, whose slots are in the outputs of the paths.
    pub(crate) fn columns<'p>(&'p self, paths: &mut [Output<'_>]) -> Vec<Column<'p>> {
        let mut channel = 0;
        let column = |(range, panels): &'p (Range<usize>, Panels)| {
            let slots = paths[range.clone()].iter_mut().map(Output::whole_slot).collect();
            channel += panels.channels;
            Column { panels, panel: 0, channel: channel - panels.channels, slots }
        };
        self.panels.iter().map(column).collect()
    }
}
