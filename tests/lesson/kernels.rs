//! The fast kernels at every tail: each width of map and of path, each level of vector instructions that
//! the machine has, each verb, to the bit on small integers, which no order of sums rounds.

use std::ops::Range;

use ndarray::{Array4, ArrayView4, s};
use rayon::ThreadPoolBuilder;
use triform::conv::{
    Affine, ChannelWise, ConvSpec, Convolver, Elementwise, Epilogue, Fast, Identity, Level,
    Reference,
};

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % end
    }

    fn tensor(&mut self, shape: [usize; 4]) -> Array4<f32> {
        Array4::from_shape_simple_fn(shape, || self.below(9) as f32 - 4.0)
    }

    fn floats(&mut self, shape: [usize; 4]) -> Array4<f32> {
        Array4::from_shape_simple_fn(shape, || self.below(1 << 20) as f32 / 1e5 - 5.0)
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
    affine: Vec<Affine<f32>>,
    /// Whether it says so.
    told: bool,
}

impl Function {
    fn new(of_channel: Vec<One>) -> Self {
        let affine = of_channel.iter().filter_map(|one| match one {
            One::Affine(affine) => Some(*affine),
            _ => None,
        });
        Self { affine: affine.collect(), of_channel, told: true }
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
        if !self.told {
            return None;
        }
        if of_channel.iter().all(|one| matches!(one, One::Affine(_))) {
            // Only where all channels of the layer are affine are these those of the range.
            return (self.affine.len() == self.of_channel.len())
                .then(|| Elementwise::Affine(&self.affine[channels]));
        }
        let all_are = |kind: fn(&One) -> bool, data| of_channel.iter().all(kind).then_some(data);
        all_are(|one| matches!(one, One::Identity), Elementwise::Identity)
            .or_else(|| all_are(|one| matches!(one, One::Relu), Elementwise::Relu))
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
    println!("levels tested: {levels:?} of {:?}", Level::ALL);
    levels.into_iter().map(|level| Fast::with_level(level).unwrap()).collect()
}

/// All that follows one convolution of integers.
fn conv<V: Convolver<f32>>(
    convolver: &V,
    x: ArrayView4<'_, f32>,
    (weights, spec): (ArrayView4<'_, f32>, ConvSpec),
    (function, shortcut, output): (&Function, Option<&Array4<f32>>, &Function),
) -> Array4<f32> {
    let kernel = convolver.prepare(weights, spec).unwrap();
    let shortcut = shortcut.map(|shortcut| shortcut.view());
    convolver.conv(x, &kernel, &Epilogue { function, shortcut, output }).unwrap()
}

#[test]
fn every_width_of_map_and_of_group() {
    let levels = all_levels();
    let (mut numbers, mut cases) = (Numbers(1), 0);
    for width in 1..=40 {
        for d in 1..=40 {
            let (groups, c_out) = match numbers.below(4) {
                0 => (1, 1 + numbers.below(40) as usize),
                1 => (1, d),
                _ => (2 + numbers.below(3) as usize, d),
            };
            let k = [1, 2, 3, 3, 3, 5][numbers.below(6) as usize];
            let stride = 1 + numbers.below(3) as usize;
            let dilation = 1 + numbers.below(2) as usize;
            let padding = numbers.below(3) as usize + k * dilation / 2;
            let spec = ConvSpec::new(stride, padding, dilation, groups).unwrap();
            let (n, height) = (1 + numbers.below(2) as usize, 1 + numbers.below(4) as usize);
            let x = numbers.tensor([n, groups * d, height, width]);
            // Rows and columns of the kernel are not always as many; nor do taps always fit one run.
            let k_w = if numbers.below(3) == 0 { 1 + numbers.below(4) as usize } else { k };
            let weights = numbers.tensor([groups * c_out, d, k, k_w.min(width + padding)]);
            let mut function = numbers.function(groups * c_out);
            let output = numbers.function(groups * c_out);
            let given = (weights.view(), spec);
            let bare = conv(&Reference::default(), x.view(), given, (&function, None, &output));
            let shortcut = numbers.tensor(bare.dim().into());
            let shortcut = (numbers.below(2) == 0).then_some(&shortcut);
            let expected =
                conv(&Reference::default(), x.view(), given, (&function, shortcut, &output));
            function.told = numbers.below(4) > 0;
            let x = laid_out(&x, numbers.below(3));
            let shortcut = shortcut.map(|shortcut| laid_out(shortcut, numbers.below(3)));
            for fast in &levels {
                let after = (&function, shortcut.as_ref(), &output);
                let got = conv(fast, x.view(), given, after);
                let level = fast.level();
                assert!(got == expected, "{level}: {:?}, {:?}, {spec:?}", x.dim(), weights.dim());
                cases += 1;
            }
        }
    }
    println!("{cases} cases");
    assert!(cases >= 1600);
}

/// Sums so long that they are cut, by panels enough for several.
#[test]
fn many_taps() {
    let levels = all_levels();
    let (mut numbers, mut cases) = (Numbers(5), 0);
    for case in 0..60 {
        let (d, c_out) = (1 + numbers.below(600) as usize, 1 + numbers.below(70) as usize);
        let (k, size) = if case % 3 == 0 { (3, 4) } else { (1, 9) };
        let spec = ConvSpec::new(1 + case % 2, k / 2, 1, 1).unwrap();
        let x = numbers.tensor([1 + case % 2, d, size, size + 1]);
        let weights = numbers.tensor([c_out, d, k, k]);
        let (function, output) = (numbers.function(c_out), numbers.function(c_out));
        let (given, after) = ((weights.view(), spec), (&function, None, &output));
        let expected = conv(&Reference::default(), x.view(), given, after);
        let x = laid_out(&x, numbers.below(3));
        for fast in &levels {
            let got = conv(fast, x.view(), given, after);
            assert!(got == expected, "{}: {:?}, {:?}", fast.level(), x.dim(), weights.dim());
            cases += 1;
        }
    }
    assert!(cases >= 60);
}

/// Pixels whose distance is a multiple of a page, which the kernels copy off each other's lines of the cache; and maps of as many pixels as
/// pieces of planes are cut at, or a few more.
#[test]
fn pixels_pages_apart_and_pieces_of_whole_lines() {
    let levels = all_levels();
    let (mut numbers, mut cases) = (Numbers(6), 0);
    for (c_in, k, stride, [h, w]) in [
        (1024, 1, 1, [5, 7]),
        (512, 1, 2, [7, 12]),
        (512, 3, 2, [6, 9]),
        (1024, 3, 1, [3, 4]),
        (2048, 1, 1, [7, 7]),
        // Several pieces of them.
        (1024, 1, 1, [13, 15]),
        (512, 1, 2, [27, 23]),
        // As many channels as make a page with one line more.
        (1008, 1, 1, [9, 16]),
        (24, 1, 1, [16, 16]),
        (24, 1, 1, [14, 23]),
        (300, 1, 1, [19, 27]),
    ] {
        for (c_out, n) in [(33, 1), (70, 2)] {
            let spec = ConvSpec::new(stride, k / 2, 1, 1).unwrap();
            let x = numbers.tensor([n, c_in, h, w]);
            let weights = numbers.tensor([c_out, c_in, k, k]);
            // Functions that are applied while the sums are in registers.
            let affine = |channel: usize| {
                let (scale, shift) = ([1.0, -1.0][channel % 2], (channel % 7) as f32 - 3.0);
                One::Affine(Affine { scale, shift, relu: true })
            };
            let function = Function::new((0..c_out).map(affine).collect());
            let output = Function::new(vec![One::Relu; c_out]);
            let given = (weights.view(), spec);
            let bare = conv(&Reference::default(), x.view(), given, (&function, None, &output));
            let shortcut = numbers.tensor(bare.dim().into());
            let after = (&function, Some(&shortcut), &output);
            let expected = conv(&Reference::default(), x.view(), given, after);
            for layouts in 0..4 {
                let (x, shortcut) = (laid_out(&x, layouts % 2), laid_out(&shortcut, layouts / 2));
                for fast in &levels {
                    for threads in [1, 2] {
                        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                        let after = (&function, Some(&shortcut), &output);
                        let got = pool.install(|| conv(fast, x.view(), given, after));
                        let what = (fast.level(), x.dim(), weights.dim(), layouts, threads);
                        assert!(got == expected, "{what:?}");
                        cases += 1;
                    }
                }
            }
        }
    }
    println!("{cases} cases");
    assert!(cases >= 11 * 2 * 4 * 2);
}

/// A tensor without a channel beside others, and no image at all.
#[test]
fn nothing_is_no_panic() {
    let ones = |shape: [usize; 4], layout| laid_out(&Array4::<f32>::ones(shape), layout);
    let paths = [ones([1, 0, 2, 2], 1), ones([1, 3, 2, 2], 1), ones([1, 0, 2, 2], 0)];
    let reference = Reference::default();
    for fast in all_levels() {
        assert_eq!(fast.concatenate(&paths).unwrap(), reference.concatenate(&paths).unwrap());
        let spec = ConvSpec::new(1, 1 << 31, 1, 1).unwrap();
        let kernel = fast.prepare(ones([4, 4, 3, 3], 0).view(), spec).unwrap();
        let refused = fast.sums(ones([0, 4, 3, 3], 0).view(), &kernel).unwrap_err().to_string();
        assert!(refused.starts_with("output of a convolution: "), "{refused}");
    }
}

/// The verbs of the forms, against their definitions over the reference.
#[test]
fn every_width_of_path() {
    let levels = all_levels();
    let (reference, mut numbers, mut cases) = (Reference::default(), Numbers(2), 0);
    for d in 1..=40 {
        for round in 0..6 {
            let paths = [1, 2, 3, 5, 8, 32][round];
            let c = 1 + numbers.below(70) as usize;
            let (n, height) = (1 + numbers.below(2) as usize, 1 + numbers.below(9) as usize);
            let shape = [n, c, height, 7 + 3 * round];
            let x = laid_out(&numbers.tensor(shape), round as u64);
            let stride = 1 + (d + round) % 2;
            let strided = ConvSpec::new(stride, 0, 1, 1).unwrap();
            let three = ConvSpec::new(1 + round % 2, 1, 1, 1).unwrap();
            // One path may be wider than the others.
            let wide = |path: usize| if path == 1 && round == 3 { d + 1 } else { d };
            let mut kernels = |c_out: &dyn Fn(usize) -> usize, c_in: &dyn Fn(usize) -> usize, k| {
                let kernel = |path| numbers.tensor([c_out(path), c_in(path), k, k]);
                (0..paths).map(kernel).collect::<Vec<_>>()
            };
            let reduce = kernels(&wide, &|_| c, 1);
            let transform = kernels(&wide, &wide, 3);
            let c_out = 1 + (7 * d + round) % 40;
            let expand = kernels(&|_| c_out, &wide, 1);
            let channels = (0..paths).map(wide).sum();
            let (first, second) = (numbers.function(channels), numbers.function(channels));
            let (third, output) = (numbers.function(c_out), numbers.function(c_out));
            // Integers stay small: each layer has inputs of its own.
            let (h, w) = (shape[2], shape[3]);
            let path =
                |path| laid_out(&numbers.tensor([n, wide(path), h, w]), 1 + (round == 4) as u64);
            let xs: Vec<_> = (0..paths).map(path).collect();
            let shortcut = laid_out(&numbers.tensor([n, c_out, h, w]), round as u64);
            let after =
                Epilogue { function: &third, shortcut: Some(shortcut.view()), output: &output };
            let prepared = |kernels: &[Array4<f32>], spec| -> Vec<_> {
                kernels.iter().map(|k| reference.prepare(k.view(), spec).unwrap()).collect()
            };
            let expected = (
                reference.split(x.view(), &prepared(&reduce, strided), &first).unwrap(),
                reference.each(&xs, &prepared(&transform, three), &second).unwrap(),
                reference.merge(&xs, &prepared(&expand, ConvSpec::UNIT), &after).unwrap(),
                reference.concatenate(&xs).unwrap(),
            );
            for fast in &levels {
                let prepared = |kernels: &[Array4<f32>], spec| -> Vec<_> {
                    kernels.iter().map(|k| fast.prepare(k.view(), spec).unwrap()).collect()
                };
                let what = format!("{}: {paths} paths of {d}, {:?}", fast.level(), x.dim());
                let got = (
                    fast.split(x.view(), &prepared(&reduce, strided), &first).unwrap(),
                    fast.each(&xs, &prepared(&transform, three), &second).unwrap(),
                    fast.merge(&xs, &prepared(&expand, ConvSpec::UNIT), &after).unwrap(),
                    fast.concatenate(&xs).unwrap(),
                );
                assert!(got.0 == expected.0, "split, {what}");
                assert!(got.1 == expected.1, "each, {what}");
                assert!(got.2 == expected.2, "merge, {what}");
                assert!(got.3 == expected.3, "concatenate, {what}");
                cases += 4;
            }
        }
    }
    println!("{cases} cases");
    assert!(cases >= 40 * 6 * 4);
}

/// Paths keep what they share; they may be used in other company all the same.
#[test]
fn paths_may_be_used_in_any_company() {
    let mut numbers = Numbers(5);
    let x = laid_out(&numbers.tensor([1, 20, 5, 6]), 1);
    let kernels: Vec<_> = (0..5).map(|_| numbers.tensor([3, 20, 1, 1])).collect();
    let reference = Reference::default();
    let mut compared = 0;
    for fast in all_levels() {
        let prepare = |k: &Array4<f32>| fast.prepare(k.view(), ConvSpec::UNIT).unwrap();
        let mut paths: Vec<_> = kernels.iter().map(prepare).collect();
        let mut order: Vec<usize> = (0..5).collect();
        for (first, second, used) in
            [(0, 0, 5), (0, 0, 2), (0, 0, 5), (1, 4, 5), (0, 3, 4), (0, 3, 5)]
        {
            paths.swap(first, second);
            order.swap(first, second);
            let same: Vec<_> = order[..used]
                .iter()
                .map(|&path| reference.prepare(kernels[path].view(), ConvSpec::UNIT).unwrap())
                .collect();
            let got = fast.split(x.view(), &paths[..used], &Identity).unwrap();
            let expected = reference.split(x.view(), &same, &Identity).unwrap();
            assert!(got == expected, "{}: {used} of {order:?}", fast.level());
            compared += used;
        }
    }
    assert!(compared >= 26);
}

/// Rows so long, kernels so large, that pieces are parts of rows, and all is copied beforehand.
#[test]
fn long_rows_and_large_kernels_are_cut_alike() {
    let mut numbers = Numbers(6);
    let mut compared = 0;
    for (c, [h, w], k, dilation, stride) in [
        (6, [4, 300], 3, 1, 1),
        (3, [9, 120], 7, 2, 1),
        (40, [60, 9], 5, 3, 1),
        (9, [33, 40], 5, 1, 2),
    ] {
        let x = numbers.tensor([2, c, h, w]);
        let weights = numbers.tensor([70, c, k, k]);
        let spec = ConvSpec::new(stride, k / 2 * dilation, dilation, 1).unwrap();
        let reference = Reference::default();
        let kernel = reference.prepare(weights.view(), spec).unwrap();
        let expected = reference.sums(x.view(), &kernel).unwrap();
        for fast in all_levels() {
            let kernel = fast.prepare(weights.view(), spec).unwrap();
            for threads in 1..=5 {
                let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let got = pool.install(|| fast.sums(x.view(), &kernel)).unwrap();
                assert!(got == expected, "{}, {threads} threads, {w} {k}", fast.level());
                compared += got.len();
            }
        }
    }
    assert!(compared > 1_000_000, "{compared}");
}

/// On floats that do round: the work is cut for the threads, and no bit shows it.
#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let mut numbers = Numbers(3);
    let mut compared = 0;
    for (c, d, paths, size) in
        [(64, 4, 32, 19), (96, 16, 8, 14), (512, 32, 4, 7), (600, 5, 6, 11), (1024, 4, 8, 14)]
    {
        let inner = d * paths;
        // Channels last where pixels are pages apart, which is seen only so.
        let x = laid_out(&numbers.floats([2, c, size, size + 1]), u64::from(c == 1024));
        let mid = numbers.floats([2, inner, size, size + 1]);
        let shortcut = numbers.floats([2, c, size, size + 1]);
        let reduce = numbers.floats([inner, c, 1, 1]);
        let transform = numbers.floats([inner, d, 3, 3]);
        let dense = numbers.floats([24, c, 3, 3]);
        let expand = numbers.floats([c, inner, 1, 1]);
        let (inner_function, function) = (numbers.function(inner), numbers.function(c));
        let (inner_output, output) = (numbers.function(inner), numbers.function(c));
        let grouped = ConvSpec::new(1, 1, 1, paths).unwrap();
        let padded = ConvSpec::new(1, 1, 1, 1).unwrap();
        for fast in all_levels() {
            let run = || {
                let after = (&function, Some(&shortcut), &output);
                let only = (&inner_function, None, &inner_output);
                let mut results = vec![
                    conv(&fast, x.view(), (reduce.view(), ConvSpec::UNIT), only),
                    conv(&fast, mid.view(), (transform.view(), grouped), only),
                    conv(&fast, mid.view(), (expand.view(), ConvSpec::UNIT), after),
                    conv(&fast, x.view(), (dense.view(), padded), only),
                ];
                let cut = |array: &Array4<f32>, axis, spec| -> Vec<_> {
                    let parts = array.axis_chunks_iter(ndarray::Axis(axis), d);
                    parts.map(|part| fast.prepare(part, spec).unwrap()).collect()
                };
                let unit = ConvSpec::UNIT;
                let split = fast.split(x.view(), &cut(&reduce, 0, unit), &inner_function).unwrap();
                let each = fast.each(&split, &cut(&transform, 0, padded), &inner_function).unwrap();
                let shortcut = Some(shortcut.view());
                let after = Epilogue { function: &function, shortcut, output: &Identity };
                results.push(fast.merge(&each, &cut(&expand, 1, unit), &after).unwrap());
                results.push(fast.concatenate(&each).unwrap());
                results.extend(split);
                results.extend(each);
                results
            };
            let on = |threads| {
                ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
            };
            let expected = on(1);
            for threads in 2..=5 {
                let got = on(threads);
                for (got, expected) in got.iter().zip(&expected) {
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
    let mut numbers = Numbers(4);
    for d in 1..=40 {
        let groups = 1 + d % 4;
        let spec = ConvSpec::new(1 + d % 2, 1, 1, groups).unwrap();
        let x = numbers.floats([1, groups * d, 9, 10]);
        let weights = numbers.floats([groups * d, d, 3, 3]);
        let function = numbers.function(groups * d);
        let given = (weights.view(), spec);
        let results =
            levels.iter().map(|fast| conv(fast, x.view(), given, (&function, None, &function)));
        let results: Vec<_> = results.collect();
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
