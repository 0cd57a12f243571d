//! The fast kernels at every tail: each width of map and of path, each level of vector instructions that
//! the machine has, each verb, to the bit on small integers, which no order of sums rounds.

use std::mem::discriminant;
use std::ops::Range;

use ndarray::{Array4, s};
use rayon::ThreadPoolBuilder;
use triform::conv::{
    Affine, ChannelWise, ConvSpec, Convolver, Elementwise, Epilogue, Fast, Identity, Level,
    Reference,
};

/// Numbers that look random and are the same in every run: small integers, or floats that do round.
struct Numbers {
    state: u64,
    floats: bool,
}

impl Numbers {
    fn integers(state: u64) -> Self {
        Self { state, floats: false }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.state >> 33) % end
    }

    fn tensor(&mut self, shape: [usize; 4]) -> Array4<f32> {
        Array4::from_shape_simple_fn(shape, || match self.floats {
            true => self.below(1 << 20) as f32 / 1e5 - 5.0,
            false => self.below(9) as f32 - 4.0,
        })
    }

    /// A function of each channel, exact on integers: of one kind, or of several.
    fn function(&mut self, channels: usize) -> Function {
        let (kind, relu) = (self.below(8), self.below(2) == 0);
        let of_channel = |channel: usize| {
            let scale = if self.below(2) == 0 { 1.0 } else { -1.0 };
            let shift = self.below(7) as f32 - 3.0;
            let is_last = channel + 1 == channels;
            match kind {
                0 => One::Identity,
                1 => One::Relu,
                2 if is_last => One::Identity,
                3 if is_last => One::Affine(Affine { scale, shift, relu: !relu }),
                4 if channel % 3 == 1 => One::Relu,
                _ => One::Affine(Affine { scale, shift, relu }),
            }
        };
        Function::new((0..channels).map(of_channel).collect())
    }
}

/// The function of one channel.
#[derive(Clone, Copy)]
enum One {
    Identity,
    Relu,
    Affine(Affine<f32>),
}

/// A function for each channel; as data, if told, where all are of one kind.
struct Function {
    of_channel: Vec<One>,
    /// Of the channels that are.
    affine: Vec<Affine<f32>>,
    /// Whether it says so.
    told: bool,
}

impl Function {
    fn new(of_channel: Vec<One>) -> Self {
        let affine = |one: &One| match one {
            One::Affine(affine) => *affine,
            _ => Affine { scale: f32::NAN, shift: f32::NAN, relu: false },
        };
        Self { affine: of_channel.iter().map(affine).collect(), of_channel, told: true }
    }
}

impl ChannelWise<f32> for Function {
    fn apply(&self, channel: usize, mut plane: ndarray::ArrayViewMut3<'_, f32>) {
        match self.of_channel[channel] {
            One::Identity => (),
            One::Relu => plane.mapv_inplace(|z| if z < 0.0 { 0.0 } else { z }),
            One::Affine(affine) => plane.mapv_inplace(|z| affine.at(&z)),
        }
    }

    fn as_data(&self, channels: Range<usize>) -> Option<Elementwise<'_, f32>> {
        let of_channel = &self.of_channel[channels.clone()];
        let one = of_channel.first().filter(|_| self.told)?;
        let alike = of_channel.iter().all(|other| discriminant(other) == discriminant(one));
        alike.then(|| match one {
            One::Identity => Elementwise::Identity,
            One::Relu => Elementwise::Relu,
            One::Affine(_) => Elementwise::Affine(&self.affine[channels]),
        })
    }
}

/// In one of several layouts: as it is, channels last, backwards.
fn laid_out(x: &Array4<f32>, layout: u64) -> Array4<f32> {
    match layout % 3 {
        0 => x.as_standard_layout().into_owned(),
        1 => {
            let last = x.view().permuted_axes([0, 2, 3, 1]).as_standard_layout().into_owned();
            last.permuted_axes([0, 3, 1, 2])
        }
        _ => {
            let mut back = x.slice(s![.., ..;-1, .., ..;-1]).as_standard_layout().into_owned();
            back.invert_axis(ndarray::Axis(1));
            back.invert_axis(ndarray::Axis(3));
            back
        }
    }
}

fn all_levels() -> Vec<Fast> {
    let levels = Level::available();
    levels.into_iter().map(|level| Fast::with_level(level).unwrap()).collect()
}

/// One convolution and what follows it.
struct Case {
    x: Array4<f32>,
    weights: Array4<f32>,
    spec: ConvSpec,
    function: Function,
    shortcut: Option<Array4<f32>>,
    output: Function,
}

impl Case {
    fn new(numbers: &mut Numbers, x: [usize; 4], weights: [usize; 4], spec: ConvSpec) -> Self {
        let h = spec.output_size("height", x[2], weights[2]).unwrap();
        let w = spec.output_size("width", x[3], weights[3]).unwrap();
        let shortcut = (numbers.below(2) == 0).then(|| numbers.tensor([x[0], weights[0], h, w]));
        let (function, output) = (numbers.function(weights[0]), numbers.function(weights[0]));
        let (x, weights) = (numbers.tensor(x), numbers.tensor(weights));
        Self { x, weights, spec, function, shortcut, output }
    }

    /// With the input and the shortcut in these layouts.
    fn run<V: Convolver<f32>>(&self, convolver: &V, layouts: [u64; 2]) -> Array4<f32> {
        let kernel = convolver.prepare(self.weights.view(), self.spec).unwrap();
        let x = laid_out(&self.x, layouts[0]);
        let shortcut = self.shortcut.as_ref().map(|shortcut| laid_out(shortcut, layouts[1]));
        let shortcut = shortcut.as_ref().map(|shortcut| shortcut.view());
        let after = Epilogue { function: &self.function, shortcut, output: &self.output };
        convolver.conv(x.view(), &kernel, &after).unwrap()
    }

    /// Holds that every level, on each number of threads, gives what the reference gives; how many did.
    fn check(&self, layouts: &[[u64; 2]], threads: &[usize]) -> usize {
        let expected = self.run(&Reference::default(), [0, 0]);
        let mut checked = 0;
        for &layouts in layouts {
            for &threads in threads {
                let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                for fast in all_levels() {
                    let got = pool.install(|| self.run(&fast, layouts));
                    let sizes = (self.x.dim(), self.weights.dim(), self.spec);
                    let what = (fast.level(), layouts, threads);
                    assert!(got == expected, "{what:?}, {sizes:?}");
                    checked += 1;
                }
            }
        }
        checked
    }
}

fn spec(stride: usize, padding: usize, dilation: usize, groups: usize) -> ConvSpec {
    ConvSpec::new(stride, padding, dilation, groups).unwrap()
}

#[test]
fn every_width_of_map_and_of_group() {
    let (mut numbers, mut cases) = (Numbers::integers(1), 0);
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
            // Rows and columns of the kernel are not always as many; nor do taps always fit one run.
            let k_w = if numbers.below(3) == 0 { 1 + numbers.below(4) as usize } else { k };
            let x = [n, groups * d, height, width];
            let weights = [groups * c_out, d, k, k_w.min(width + padding)];
            let spec = spec(stride, padding, dilation, groups);
            let mut case = Case::new(&mut numbers, x, weights, spec);
            case.function.told = numbers.below(4) > 0;
            cases += case.check(&[[numbers.below(3), numbers.below(3)]], &[1]);
        }
    }
    println!("{cases} cases");
    assert!(cases >= 1600);
}

/// Sums so long that they are cut, by panels enough for several.
#[test]
fn many_taps() {
    let (mut numbers, mut cases) = (Numbers::integers(5), 0);
    for case in 0..60 {
        let (d, c_out) = (1 + numbers.below(600) as usize, 1 + numbers.below(70) as usize);
        let (k, size) = if case % 3 == 0 { (3, 4) } else { (1, 9) };
        let x = [1 + case % 2, d, size, size + 1];
        let spec = spec(1 + case % 2, k / 2, 1, 1);
        let case = Case::new(&mut numbers, x, [c_out, d, k, k], spec);
        cases += case.check(&[[numbers.below(3), numbers.below(3)]], &[2]);
    }
    assert!(cases >= 60);
}

/// Pixels whose distance is a multiple of a page, which the kernels copy off each other's lines of the cache; maps
/// of as many pixels as pieces of planes are cut at, or a few more; rows so long, kernels so large, that pieces are
/// parts of rows, and all is copied beforehand.
#[test]
fn every_way_to_cut_and_to_copy() {
    let (mut numbers, mut cases) = (Numbers::integers(6), 0);
    for (c_in, k, stride, dilation, [h, w]) in [
        (1024, 1, 1, 1, [5, 7]),
        (512, 1, 2, 1, [7, 12]),
        (512, 3, 2, 1, [6, 9]),
        (1024, 3, 1, 1, [3, 4]),
        (2048, 1, 1, 1, [7, 7]),
        // Several pieces of them.
        (1024, 1, 1, 1, [13, 15]),
        (512, 1, 2, 1, [27, 23]),
        // As many channels as make a page with one line more.
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
            let mut case = Case::new(&mut numbers, [n, c_in, h, w], [c_out, c_in, k, k], spec);
            // Functions that are applied while the sums are in registers; and always a shortcut.
            let affine = |channel: usize| {
                let (scale, shift) = ([1.0, -1.0][channel % 2], (channel % 7) as f32 - 3.0);
                One::Affine(Affine { scale, shift, relu: true })
            };
            case.function = Function::new((0..c_out).map(affine).collect());
            case.output = Function::new(vec![One::Relu; c_out]);
            let bare = case.run(&Reference::default(), [0, 0]);
            case.shortcut.get_or_insert_with(|| numbers.tensor(bare.dim().into()));
            cases += case.check(&[[0, 0], [1, 0], [0, 1], [1, 1]], &[1, 2, 5]);
        }
    }
    println!("{cases} cases");
    assert!(cases >= 15 * 2 * 4 * 3);
}

/// A tensor without a channel beside others, and no image at all.
#[test]
fn nothing_is_no_panic() {
    let ones = |shape: [usize; 4], layout| laid_out(&Array4::<f32>::ones(shape), layout);
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

/// What the verbs of the forms are given: paths of these widths.
struct Paths {
    x: Array4<f32>,
    xs: Vec<Array4<f32>>,
    shortcut: Array4<f32>,
    /// Of two splits, each and merge.
    kernels: [(Vec<Array4<f32>>, ConvSpec); 4],
    /// Of the splits, of each, and those of merge.
    functions: [Function; 4],
}

impl Paths {
    fn new(
        numbers: &mut Numbers,
        [n, c, h, w]: [usize; 4],
        (widths, c_out): (&[usize], usize),
        strides: [usize; 2],
        layouts: [u64; 3],
    ) -> Self {
        let x = laid_out(&numbers.tensor([n, c, h, w]), layouts[0]);
        // Integers stay small: each layer has inputs of its own.
        let path = |&d: &usize| laid_out(&numbers.tensor([n, d, h, w]), layouts[1]);
        let xs = widths.iter().map(path).collect();
        let shortcut = laid_out(&numbers.tensor([n, c_out, h, w]), layouts[2]);
        let mut kernels = |shape: &dyn Fn(usize) -> [usize; 4], spec| {
            (widths.iter().map(|&d| numbers.tensor(shape(d))).collect(), spec)
        };
        let three = spec(strides[1], 1, 1, 1);
        let kernels = [
            kernels(&|d| [d, c, 1, 1], spec(strides[0], 0, 1, 1)),
            kernels(&|d| [d, c, 3, 3], three),
            kernels(&|d| [d, d, 3, 3], three),
            kernels(&|d| [c_out, d, 1, 1], ConvSpec::UNIT),
        ];
        let channels = widths.iter().sum();
        let functions = [channels, channels, c_out, c_out].map(|c| numbers.function(c));
        Self { x, xs, shortcut, kernels, functions }
    }

    /// Both splits, each, merge, concatenate.
    fn run<V: Convolver<f32>>(&self, convolver: &V) -> [Vec<Array4<f32>>; 5] {
        let [reduce, by_three, transform, expand] =
            self.kernels.each_ref().map(|(kernels, spec)| prepared(convolver, kernels, *spec));
        let [first, second, function, output] = &self.functions;
        let after = Epilogue { function, shortcut: Some(self.shortcut.view()), output };
        [
            convolver.split(self.x.view(), &reduce, first).unwrap(),
            convolver.split(self.x.view(), &by_three, first).unwrap(),
            convolver.each(&self.xs, &transform, second).unwrap(),
            vec![convolver.merge(&self.xs, &expand, &after).unwrap()],
            vec![convolver.concatenate(&self.xs).unwrap()],
        ]
    }
}

fn prepared<V: Convolver<f32>>(
    convolver: &V,
    kernels: &[Array4<f32>],
    spec: ConvSpec,
) -> Vec<V::Kernel> {
    kernels.iter().map(|kernel| convolver.prepare(kernel.view(), spec).unwrap()).collect()
}

/// The verbs of the forms, against their definitions over the reference.
#[test]
fn every_width_of_path() {
    let levels = all_levels();
    println!("levels tested: {:?} of {:?}", Level::available(), Level::ALL);
    let (mut numbers, mut cases) = (Numbers::integers(2), 0);
    for d in 1..=40 {
        for round in 0..6 {
            let n = numbers.below(8).clamp(u64::from(d > 4), 2) as usize;
            let (c, h) = (1 + numbers.below(70) as usize, 1 + numbers.below(9) as usize);
            // One path may be wider than the others.
            let mut widths = vec![d; [1, 2, 3, 5, 8, 32][round]];
            widths.iter_mut().skip(1).take((round == 3).into()).for_each(|d| *d += 1);
            let (c_out, strides) = (1 + (7 * d + round) % 40, [1 + (d + round) % 2, 1 + round % 2]);
            let layouts = [round as u64, 1 + u64::from(round == 4), round as u64];
            let (x, out) = ([n, c, h, 7 + 3 * round], (&widths[..], c_out));
            let paths = Paths::new(&mut numbers, x, out, strides, layouts);
            let expected = paths.run(&Reference::default());
            for fast in &levels {
                let got = paths.run(fast);
                for (verb, name) in ["split", "split by 3x3", "each", "merge", "concatenate"]
                    .into_iter()
                    .enumerate()
                {
                    let what = (fast.level(), &widths, x);
                    assert!(got[verb] == expected[verb], "{name}, {what:?}");
                    cases += 1;
                }
            }
        }
    }
    println!("{cases} cases");
    assert!(cases >= 40 * 6 * 5);
}

/// Paths keep what they share; they may be used in other company all the same.
#[test]
fn paths_may_be_used_in_any_company() {
    let (mut numbers, reference) = (Numbers::integers(5), Reference::default());
    let x = laid_out(&numbers.tensor([1, 20, 5, 6]), 1);
    let kernels: Vec<_> = (0..5).map(|_| numbers.tensor([3, 20, 1, 1])).collect();
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

/// On floats that do round: the work is cut for the threads, and no bit shows it.
#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let (mut numbers, mut compared) = (Numbers { state: 3, floats: true }, 0);
    for (c, d, paths, size) in
        [(64, 4, 32, 19), (96, 16, 8, 14), (512, 32, 4, 7), (600, 5, 6, 11), (1024, 4, 8, 14)]
    {
        // Channels last where pixels are pages apart, which is seen only so.
        let (inner, layout) = (d * paths, u64::from(c == 1024));
        let (outside, inside) = ([2, c, size, size + 1], [2, inner, size, size + 1]);
        let cases = [
            (outside, [inner, c, 1, 1], ConvSpec::UNIT),
            (inside, [inner, d, 3, 3], spec(1, 1, 1, paths)),
            (inside, [c, inner, 1, 1], ConvSpec::UNIT),
            (outside, [24, c, 3, 3], spec(1, 1, 1, 1)),
        ];
        let cases = cases.map(|(x, weights, spec)| Case::new(&mut numbers, x, weights, spec));
        let widths = vec![d; paths];
        let paths = Paths::new(&mut numbers, outside, (&widths, c), [1, 1], [layout, 1, 0]);
        for fast in all_levels() {
            let run = || {
                let one = cases.iter().map(|case| case.run(&fast, [layout, 0]));
                one.chain(paths.run(&fast).concat()).collect::<Vec<_>>()
            };
            let on = |threads| {
                ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
            };
            let expected = on(1);
            for threads in 2..=5 {
                for (got, expected) in on(threads).iter().zip(&expected) {
                    assert!(got == expected, "{}, {threads} threads, {c} {d}", fast.level());
                    compared += got.len();
                }
            }
        }
    }
    println!("{compared} values compared");
    assert!(compared > 1_000_000);
}

/// AVX2 and AVX-512 round once where they multiply and add, and the order of a sum does not depend on the
/// lanes: so what one machine reports, another does.
#[test]
fn levels_that_fuse_agree_to_the_bit() {
    let fused = |fast: &Fast| fast.level() != Level::Portable;
    let levels: Vec<Fast> = all_levels().into_iter().filter(fused).collect();
    let mut numbers = Numbers { state: 4, floats: true };
    for d in 1..=40 {
        let groups = 1 + d % 4;
        let (x, weights) = ([1, groups * d, 9, 10], [groups * d, d, 3, 3]);
        let case = Case::new(&mut numbers, x, weights, spec(1 + d % 2, 1, 1, groups));
        let results: Vec<_> = levels.iter().map(|fast| case.run(fast, [0, 0])).collect();
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
