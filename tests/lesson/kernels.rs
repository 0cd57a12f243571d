//! Tests the fast kernels on every width of map and of path, with every SIMD level of this machine and every verb
//! (method) of a convolver. Results are compared to the bit, on small integers, whose sums do not round in any order.

use ndarray::Array4;
use rayon::ThreadPoolBuilder;
use triform::conv::{Along, ConvSpec, Convolver, Fast, Identity, Level, Reference};

use crate::fuzz_corpus::oracle::{Case, F32, Kind, Path, Step, Tensor, Verb, run, same};

/// Turns integers from 0 to 2^20 into floats whose sums round.
const ROUNDED: Kind<f32> = Kind { of: |value| value as f32 / 1e5 - 5.0, float: |x| *x };

/// Numbers that look random and are the same in every run: small integers, or those of [`ROUNDED`].
struct Numbers {
    state: u64,
    small: bool,
}

impl Numbers {
    fn small(state: u64) -> Self {
        Self { state, small: true }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.state >> 33) % end
    }

    /// Draws a layout: standard, channels last, or backwards.
    fn layout(&mut self) -> u8 {
        layout(self.below(3))
    }

    fn tensor(&mut self, shape: [usize; 4], layout: u8) -> Tensor {
        let mut value = || match self.small {
            true => self.below(9) as i64 - 4,
            false => self.below(1 << 20) as i64,
        };
        Tensor { values: Array4::from_shape_simple_fn(shape, &mut value), layout }
    }

    /// Draws a function for each channel, exact on integers. The functions are of one kind, or of several kinds.
    fn function(&mut self, channels: usize) -> Vec<Step> {
        let (kind, relu) = (self.below(8), self.below(2) == 0);
        let of_channel = |channel: usize| {
            let scale = if self.below(2) == 0 { 1 } else { -1 };
            let shift = self.below(7) as i64 - 3;
            let is_last = channel + 1 == channels;
            match kind {
                0 => Step::Identity,
                1 => Step::Relu,
                2 if is_last => Step::Identity,
                3 if is_last => Step::Affine(scale, shift, !relu),
                4 if channel % 3 == 1 => Step::Relu,
                _ => Step::Affine(scale, shift, relu),
            }
        };
        (0..channels).map(of_channel).collect()
    }

    /// Draws one convolution and its epilogue.
    fn conv(&mut self, x: [usize; 4], weights: [usize; 4], spec: ConvSpec) -> Case {
        let shortcut = (self.below(2) == 0).then(|| self.tensor(output(x, weights, spec), 0));
        let (function, output) = (self.function(weights[0]), self.function(weights[0]));
        let (x, weights) = (self.tensor(x, 0), self.tensor(weights, 0));
        let (verb, paths, xs) = (Verb::Conv, vec![Path { weights, spec }], vec![x]);
        Case { verb, paths, xs, function, shortcut, output, run: 1 }
    }
}

/// The number that fuzzing gives to a layout.
fn layout(number: u64) -> u8 {
    [0, 1, 6][number as usize % 3]
}

fn output(x: [usize; 4], weights: [usize; 4], spec: ConvSpec) -> [usize; 4] {
    let h = spec.output_size("height", x[2], weights[2]).unwrap();
    [x[0], weights[0], h, spec.output_size("width", x[3], weights[3]).unwrap()]
}

fn all_levels() -> Vec<Fast> {
    let levels = Level::available();
    levels.into_iter().map(|level| Fast::with_level(level).unwrap()).collect()
}

/// Checks that every SIMD level, on each number of threads, gives the reference's result, with the input and the
/// shortcut in these layouts. If `told`, the functions are given as data. Returns the number of comparisons.
fn check(case: &mut Case, told: bool, layouts: &[[u8; 2]], threads: &[usize]) -> usize {
    let expected = run(&F32, &Reference::default(), case, false);
    assert!(expected.is_ok(), "{expected:?}");
    let mut checked = 0;
    for &layouts in layouts {
        case.xs[0].layout = layouts[0];
        case.shortcut.iter_mut().for_each(|shortcut| shortcut.layout = layouts[1]);
        for &threads in threads {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for fast in all_levels() {
                let got = pool.install(|| run(&F32, &fast, case, !told));
                let sizes = (case.xs[0].values.dim(), case.paths[0].weights.values.dim());
                let what = (fast.level(), layouts, threads, sizes, case.paths[0].spec);
                same(&format!("{what:?}"), &expected, &got, true).unwrap();
                checked += 1;
            }
        }
    }
    checked
}

fn spec(stride: usize, padding: usize, dilation: usize, groups: usize) -> ConvSpec {
    ConvSpec::new(stride, padding, dilation, groups).unwrap()
}

#[test]
fn every_width_of_map_and_of_group() {
    let (mut numbers, mut axes, mut cases) = (Numbers::small(1), Numbers::small(11), 0);
    for width in 1..=40 {
        for d in 1..=40 {
            let (groups, c_out) = match numbers.below(4) {
                0 => (1, 1 + numbers.below(40) as usize),
                1 => (1, d),
                _ => (2 + numbers.below(3) as usize, d),
            };
            let k = [1, 2, 3, 3, 3, 5, 7][numbers.below(7) as usize];
            let stride = 1 + numbers.below(3) as usize;
            let dilation = 1 + numbers.below(2) as usize;
            let padding = numbers.below(3) as usize + k * dilation / 2;
            let (n, height) = (numbers.below(8).min(2) as usize, 1 + numbers.below(4) as usize);
            // The kernel need not be square, and its taps need not form one run.
            let k_w = if numbers.below(3) == 0 { 1 + numbers.below(4) as usize } else { k };
            let x = [n, groups * d, height, width];
            let weights = [groups * c_out, d, k, k_w.min(width + padding)];
            let mut spec = spec(stride, padding, dilation, groups);
            if axes.below(3) == 0 {
                // A different geometry along the height.
                let after = padding + axes.below(2) as usize;
                let stride = 1 + axes.below(3) as usize;
                let height = Along { stride, padding: [padding, after], dilation: 1 };
                spec = ConvSpec::by_axis(height, spec.width(), groups).unwrap();
            }
            let mut case = numbers.conv(x, weights, spec);
            let told = numbers.below(4) > 0;
            cases += check(&mut case, told, &[[numbers.layout(), numbers.layout()]], &[1]);
        }
    }
    println!("{cases} cases");
    assert!(cases >= 1600);
}

/// The sums are long enough to be cut into runs, and there are enough panels for several pieces of work.
#[test]
fn many_taps() {
    let (mut numbers, mut cases) = (Numbers::small(5), 0);
    for case in 0..60 {
        let (d, c_out) = (1 + numbers.below(600) as usize, 1 + numbers.below(70) as usize);
        let (k, size) = if case % 3 == 0 { (3, 4) } else { (1, 9) };
        let x = [1 + case % 2, d, size, size + 1];
        let spec = spec(1 + case % 2, k / 2, 1, 1);
        let mut case = numbers.conv(x, [c_out, d, k, k], spec);
        cases += check(&mut case, true, &[[numbers.layout(), numbers.layout()]], &[2]);
    }
    assert!(cases >= 60);
}

/// Three kinds of case. First, pixels that lie a multiple of a page apart: the kernels copy them, so that they do not
/// evict each other from the cache. Second, maps with as many pixels as a piece of a plane, or a few more. Third, rows
/// so long and kernels so large that a piece is a part of a row, and everything is copied beforehand.
#[test]
fn every_way_to_cut_and_to_copy() {
    let (mut numbers, mut cases) = (Numbers::small(6), 0);
    for (c_in, k, stride, dilation, [h, w]) in [
        (1024, 1, 1, 1, [5, 7]),
        (512, 1, 2, 1, [7, 12]),
        (512, 3, 2, 1, [6, 9]),
        (1024, 3, 1, 1, [3, 4]),
        (2048, 1, 1, 1, [7, 7]),
        // Several pieces of such pixels.
        (1024, 1, 1, 1, [13, 15]),
        (512, 1, 2, 1, [27, 23]),
        // As many channels as fill a page minus one cache line.
        (1008, 1, 1, 1, [9, 16]),
        (24, 1, 1, 1, [16, 16]),
        (24, 1, 1, 1, [14, 23]),
        (300, 1, 1, 1, [19, 27]),
        // Long rows and large kernels.
        (6, 3, 1, 1, [4, 300]),
        (3, 7, 1, 2, [9, 120]),
        (40, 5, 1, 3, [60, 9]),
        (9, 5, 2, 1, [33, 40]),
    ] {
        for (c_out, n) in [(33, 1), (70, 2)] {
            let spec = spec(stride, k / 2 * dilation, dilation, 1);
            let (x, weights) = ([n, c_in, h, w], [c_out, c_in, k, k]);
            let mut case = numbers.conv(x, weights, spec);
            // Functions that are applied while the sums are in registers, and always a shortcut.
            let affine = |channel| Step::Affine(1 - 2 * (channel % 2), channel % 7 - 3, true);
            case.function = (0..c_out as i64).map(affine).collect();
            case.output = vec![Step::Relu; c_out];
            case.shortcut = Some(numbers.tensor(output(x, weights, spec), 0));
            cases += check(&mut case, true, &[[0, 0], [1, 0], [0, 1], [1, 1]], &[1, 2, 5]);
        }
    }
    println!("{cases} cases");
    assert!(cases >= 15 * 2 * 4 * 3);
}

/// The kernels do not panic on a tensor without channels among other tensors, or on a batch without images.
#[test]
fn nothing_is_no_panic() {
    let ones =
        |shape: [usize; 4], layout| Tensor { values: Array4::ones(shape), layout }.lay(F32.of);
    let paths = [ones([1, 0, 2, 2], 1), ones([1, 3, 2, 2], 1), ones([1, 0, 2, 2], 0)];
    let reference = Reference::default();
    for fast in all_levels() {
        assert_eq!(fast.concatenate(&paths).unwrap(), reference.concatenate(&paths).unwrap());
        let wide = spec(1, 1 << 31, 1, 1);
        let kernel = fast.prepare(ones([4, 4, 3, 3], 0).view(), wide).unwrap();
        let refused = fast.sums(ones([0, 4, 3, 3], 0).view(), &kernel).unwrap_err().to_string();
        assert!(refused.starts_with("output of a convolution: "), "{refused}");
    }
}

/// Cases for the verbs that the forms use, on paths of these widths: two of `split`, one of `each` and one of `merge`.
fn verbs(
    numbers: &mut Numbers,
    [n, c, h, w]: [usize; 4],
    (widths, c_out): (&[usize], usize),
    strides: [usize; 2],
    layouts: [u8; 3],
) -> [Case; 4] {
    let x = vec![numbers.tensor([n, c, h, w], layouts[0])];
    // Each layer has its own inputs, so that the integers stay small.
    let xs = widths.iter().map(|&d| numbers.tensor([n, d, h, w], layouts[1]));
    let xs: Vec<Tensor> = xs.collect();
    let shortcut = numbers.tensor([n, c_out, h, w], layouts[2]);
    let mut paths = |shape: &dyn Fn(usize) -> [usize; 4], spec| -> Vec<Path> {
        let path = |&d: &usize| Path { weights: numbers.tensor(shape(d), 0), spec };
        widths.iter().map(path).collect()
    };
    let three = spec(strides[1], 1, 1, 1);
    let kernels = [
        (Verb::Split, x.clone(), paths(&|d| [d, c, 1, 1], spec(strides[0], 0, 1, 1))),
        (Verb::Split, x, paths(&|d| [d, c, 3, 3], three)),
        (Verb::Each, xs.clone(), paths(&|d| [d, d, 3, 3], three)),
        (Verb::Merge, xs, paths(&|d| [c_out, d, 1, 1], ConvSpec::UNIT)),
    ];
    kernels.map(|(verb, xs, paths)| {
        let channels = if verb == Verb::Merge { c_out } else { widths.iter().sum() };
        let (function, output) = (numbers.function(channels), numbers.function(channels));
        let shortcut = Some(shortcut.clone());
        Case { verb, paths, xs, function, shortcut, output, run: 1 }
    })
}

/// The inputs of the paths, concatenated.
fn concatenated<V: Convolver<f32>>(convolver: &V, [.., merge]: &[Case; 4]) -> Array4<f32> {
    let xs: Vec<_> = merge.xs.iter().map(|x| x.lay(F32.of)).collect();
    convolver.concatenate(&xs).unwrap()
}

fn prepared<V: Convolver<f32>>(
    convolver: &V,
    kernels: &[Array4<f32>],
    spec: ConvSpec,
) -> Vec<V::Kernel> {
    kernels.iter().map(|kernel| convolver.prepare(kernel.view(), spec).unwrap()).collect()
}

/// Compares the verbs that the forms use with their definitions over the reference.
#[test]
fn every_width_of_path() {
    let levels = all_levels();
    println!("levels tested: {:?} of {:?}", Level::available(), Level::ALL);
    let (mut numbers, mut cases) = (Numbers::small(2), 0);
    for d in 1..=40 {
        for round in 0..6 {
            let n = numbers.below(8).clamp(u64::from(d > 4), 2) as usize;
            let (c, h) = (1 + numbers.below(70) as usize, 1 + numbers.below(9) as usize);
            // One path may be wider than the others.
            let mut widths = vec![d; [1, 2, 3, 5, 8, 32][round]];
            widths.iter_mut().skip(1).take((round == 3).into()).for_each(|d| *d += 1);
            let (c_out, strides) = (1 + (7 * d + round) % 40, [1 + (d + round) % 2, 1 + round % 2]);
            let layouts = [round, 1 + usize::from(round == 4), round].map(|at| layout(at as u64));
            let (x, out) = ([n, c, h, 7 + 3 * round], (&widths[..], c_out));
            let verbs = verbs(&mut numbers, x, out, strides, layouts);
            let reference = Reference::default();
            let expected = verbs.each_ref().map(|case| run(&F32, &reference, case, false));
            let side_by_side = concatenated(&reference, &verbs);
            for fast in &levels {
                let what = (fast.level(), &widths, x);
                for (case, expected) in verbs.iter().zip(&expected) {
                    assert!(expected.is_ok(), "{expected:?}");
                    let who = format!("{:?} {:?}, {what:?}", case.verb, case.paths[0].spec);
                    same(&who, expected, &run(&F32, fast, case, false), true).unwrap();
                    cases += 1;
                }
                assert!(concatenated(fast, &verbs) == side_by_side, "{what:?}");
                cases += 1;
            }
        }
    }
    println!("{cases} cases");
    assert!(cases >= 40 * 6 * 5);
}

/// Prepared paths remember what they share, but may also be used with other paths.
#[test]
fn paths_may_be_used_in_any_company() {
    let (mut numbers, reference) = (Numbers::small(5), Reference::default());
    let mut laid_out = |shape| numbers.tensor(shape, 1).lay(F32.of);
    let x = laid_out([1, 20, 5, 6]);
    let kernels: Vec<_> = (0..5).map(|_| laid_out([3, 20, 1, 1])).collect();
    let mut compared = 0;
    for fast in all_levels() {
        let mut same = prepared(&reference, &kernels, ConvSpec::UNIT);
        let mut paths = prepared(&fast, &kernels, ConvSpec::UNIT);
        for (first, second, used) in
            [(0, 0, 5), (0, 0, 2), (0, 0, 5), (1, 4, 5), (0, 3, 4), (0, 3, 5)]
        {
            paths.swap(first, second);
            same.swap(first, second);
            let got = fast.split(x.view(), &paths[..used], &Identity).unwrap();
            let expected = reference.split(x.view(), &same[..used], &Identity).unwrap();
            assert!(got == expected, "{}: {used} from {first}, {second} on", fast.level());
            compared += used;
        }
    }
    assert!(compared >= 26);
}

/// The work is split among threads, and the results do not change by a bit, even on floats that round.
#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let (mut numbers, mut compared) = (Numbers { state: 3, small: false }, 0);
    for (c, d, paths, size) in
        [(64, 4, 32, 19), (96, 16, 8, 14), (512, 32, 4, 7), (600, 5, 6, 11), (1024, 4, 8, 14)]
    {
        // Channels last for 1024 channels: only in that layout are pixels pages apart.
        let (inner, layout) = (d * paths, u8::from(c == 1024));
        let (outside, inside) = ([2, c, size, size + 1], [2, inner, size, size + 1]);
        let cases = [
            (outside, [inner, c, 1, 1], ConvSpec::UNIT),
            (inside, [inner, d, 3, 3], spec(1, 1, 1, paths)),
            (inside, [c, inner, 1, 1], ConvSpec::UNIT),
            (outside, [24, c, 3, 3], spec(1, 1, 1, 1)),
        ];
        let mut cases = Vec::from(cases.map(|(x, weights, spec)| numbers.conv(x, weights, spec)));
        cases.iter_mut().for_each(|case| case.xs[0].layout = layout);
        let widths = (&vec![d; paths][..], c);
        cases.extend(verbs(&mut numbers, outside, widths, [1, 1], [layout, 1, 0]));
        for fast in all_levels() {
            let on = |threads| {
                let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| cases.iter().map(|c| run(&ROUNDED, &fast, c, false)).collect())
            };
            let expected: Vec<_> = on(1);
            for threads in 2..=5 {
                for (got, expected) in on(threads).iter().zip(&expected) {
                    let who = format!("{}, {threads} threads, {c} {d}", fast.level());
                    same(&who, expected, got, false).unwrap();
                    compared += got.iter().flatten().map(Array4::len).sum::<usize>();
                }
            }
        }
    }
    println!("{compared} values compared");
    assert!(compared > 1_000_000);
}

/// AVX2 and AVX-512 round a multiply-add once, and the order of a sum does not depend on the number of lanes. So a
/// machine with AVX2 and a machine with AVX-512 report the same bits.
#[test]
fn levels_that_fuse_agree_to_the_bit() {
    let fused = |fast: &Fast| fast.level() != Level::Portable;
    let levels: Vec<Fast> = all_levels().into_iter().filter(fused).collect();
    let mut numbers = Numbers { state: 4, small: false };
    for d in 1..=40 {
        let groups = 1 + d % 4;
        let (x, weights) = ([1, groups * d, 9, 10], [groups * d, d, 3, 3]);
        let case = numbers.conv(x, weights, spec(1 + d % 2, 1, 1, groups));
        let results: Vec<_> = levels.iter().map(|fast| run(&ROUNDED, fast, &case, false)).collect();
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{groups} groups of {d}");
    }
    println!("{} levels compared", levels.len());
}

#[test]
fn a_level_that_is_not_here_is_refused() {
    for level in Level::ALL {
        match Fast::with_level(level) {
            Ok(fast) => assert!(Level::available().contains(&fast.level())),
            Err(error) => {
                assert!(!Level::available().contains(&level));
                let no = format!("this machine has no {level}; it has portable");
                assert!(error.to_string().starts_with(&no), "{error}");
            }
        }
    }
}
