//! Times the kernels of ResNet-50 and ResNeXt-50 one by one, each on one image, on the threads of rayon's pool. Run all
//! with `cargo bench -p triform-bench`, or some with `cargo bench -p triform-bench grouped`. The throughput is in
//! multiply-adds, as `triform::count` counts them.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array4;
use triform::conv::{ConvSpec, Convolver, Fast, max_pool};
use triform::count::convolution_macs;
use triform::network::init::he_normal;
use triform::random::{Purpose, Seed, normal};

/// Name, kernel size, channels in and out, groups, stride, and the side of the square map.
type Kernel = (&'static str, usize, [usize; 2], usize, usize, usize);

const KERNELS: [Kernel; 8] = [
    ("1x1, 256 to 128", 1, [256, 128], 1, 1, 56),
    ("1x1, 1024 to 2048", 1, [1024, 2048], 1, 1, 7),
    ("grouped 3x3, d = 4", 3, [128, 128], 32, 1, 56),
    ("grouped 3x3, d = 8", 3, [256, 256], 32, 1, 28),
    ("grouped 3x3, d = 16", 3, [512, 512], 32, 1, 14),
    ("grouped 3x3, d = 32", 3, [1024, 1024], 32, 1, 7),
    ("dense 3x3, 64 to 64", 3, [64, 64], 1, 1, 56),
    ("stem 7x7, 3 to 64", 7, [3, 64], 1, 2, 224),
];

fn input(channels: usize, side: usize) -> Array4<f32> {
    let shape = (1, channels, side, side);
    normal(shape, &mut Seed(0).stream(Purpose::Input, &[]))
}

fn kernels(criterion: &mut Criterion) {
    let fast = Fast::new();
    let mut group = criterion.benchmark_group("conv");
    for (name, k, [c_in, c_out], groups, stride, side) in KERNELS {
        let spec = ConvSpec::new(stride, k / 2, 1, groups).unwrap();
        let shape = [c_out, c_in / groups, k, k];
        let weights = he_normal(shape, &mut Seed(0).stream(Purpose::Weights, &[]));
        let kernel = fast.prepare(weights.view(), spec).unwrap();
        let x = input(c_in, side);
        let macs = convolution_macs(k, c_in, c_out, &spec, (side, side)).unwrap();
        group.throughput(Throughput::Elements(macs.all_taps));
        group.bench_function(name, |bencher| {
            bencher.iter(|| fast.sums(black_box(x.view()), &kernel).unwrap());
        });
    }
    group.finish();
}

fn pool(criterion: &mut Criterion) {
    let spec = ConvSpec::new(2, 1, 1, 1).unwrap();
    let x = input(64, 112);
    criterion.bench_function("max pool 3x3, 64 channels of 112 x 112", |bencher| {
        bencher.iter(|| max_pool(black_box(x.view()), 3, spec).unwrap());
    });
}

/// A short measurement: eight kernels in about fifteen seconds.
fn brief() -> Criterion {
    let brief = Criterion::default().sample_size(20);
    brief.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1))
}

criterion_group!(name = benches; config = brief(); targets = kernels, pool);
criterion_main!(benches);
