//! The block in its three forms at the four stages of ResNeXt-50, and whole networks in form (c), one image
//! each: `cargo bench --bench forms`. `triform bench` tells the same as a report, takes the forms in turn,
//! and checks them first.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use triform::block::{Activation, BlockForm, Bottleneck, Form, NormFunctions};
use triform::conv::Fast;
use triform::count;
use triform::evidence::generator::Shape;
use triform::evidence::live::RealProblem;
use triform::evidence::speed::{name, stages};
use triform::network::forward::{Network, NetworkFunctions};
use triform::network::init::{self, Fan};
use triform::network::zoo;
use triform::random::{Purpose, Seed, normal};

fn forms(criterion: &mut Criterion) {
    let fast = Fast::new();
    for (spec, map) in stages().unwrap() {
        let problem = RealProblem::draw(&Shape::new(spec, map), Seed(0), &[0]).unwrap();
        let functions = NormFunctions::new(&problem.norms, Activation::Relu).unwrap();
        let mut group = criterion.benchmark_group(name(&spec));
        let macs = count::block_work(&spec, map).unwrap().macs.all_taps;
        group.throughput(Throughput::Elements(macs));
        for form in Form::ALL {
            let block = Bottleneck::prepare(&form, &problem.weights, &fast).unwrap();
            let functions = functions.functions();
            group.bench_function(BenchmarkId::from_parameter(form.letter()), |bencher| {
                let x = problem.x.view();
                bencher.iter(|| block.forward(black_box(x), &functions, &fast).unwrap());
            });
        }
        group.finish();
    }
}

fn networks(criterion: &mut Criterion) {
    let fast = Fast::new();
    let mut group = criterion.benchmark_group("network");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    for name in ["resnet50", "resnext50_32x4d"] {
        let architecture = zoo::named(name).unwrap();
        let weights = init::network(&architecture, Seed(0), Fan::Whole).unwrap();
        let grouped = |weights: &_, fast: &_| Bottleneck::prepare(&Form::Grouped, weights, fast);
        let network = Network::prepare(&grouped, &weights, |x| *x, &fast).unwrap();
        let functions = NetworkFunctions::new(&weights).unwrap();
        let input = &mut Seed(0).stream(Purpose::Input, &[]);
        let x = normal((1, 3, 224, 224), input);
        let macs = count::network(&architecture, (224, 224)).unwrap().total.operations.macs();
        group.throughput(Throughput::Elements(macs.unwrap()));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let x = black_box(x.view());
                let features = network.features(x, &functions, &fast, &mut |_, _| ()).unwrap();
                network.logits(features.view(), &functions, &fast).unwrap()
            });
        });
    }
    group.finish();
}

/// Short: twelve blocks in some twenty seconds.
fn brief() -> Criterion {
    let brief = Criterion::default().sample_size(20);
    brief.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1))
}

criterion_group!(name = benches; config = brief(); targets = forms, networks);
criterion_main!(benches);
