//! docs/speed.md states how much memory a pass of a network takes at most, beyond its weights. The tests check this for
//! a first pass, and for a second pass, which reuses the scratch memory of the first.

use std::num::NonZeroU64;
use std::sync::Mutex;

use ndarray::Array4;
use peak_alloc::PeakAlloc;
use rayon::ThreadPoolBuilder;
use triform::block::{Bottleneck, Form};
use triform::conv::Fast;
use triform::evidence::any_form::AnyForm;
use triform::evidence::progress::Quiet;
use triform::evidence::verify::{Input, Plan, verify};
use triform::network::forward::{Network, NetworkFunctions};
use triform::network::init::{self, Fan};
use triform::network::zoo;
use triform::random::Seed;
use triform_cli::need;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Tests run one at a time, because the allocator counts the memory of the whole program.
static ALONE: Mutex<()> = Mutex::new(());

/// The most bytes that are in use while `work` runs, minus the bytes in use at the start.
fn peak(work: impl FnOnce()) -> usize {
    let _alone = ALONE.lock().unwrap();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    work();
    MEMORY.peak_usage() - before
}

/// The peak bytes of a first pass and of a second pass.
fn passes(name: &str, form: Form, threads: usize) -> [usize; 2] {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let fast = Fast::new();
        let weights = init::network(&zoo::named(name).unwrap(), Seed(0), Fan::Whole).unwrap();
        let prepare = |weights: &_, fast: &_| Bottleneck::prepare(&form, weights, fast);
        let network = Network::prepare(&prepare, &weights, |x| *x, &fast).unwrap();
        let functions = NetworkFunctions::new(&weights).unwrap();
        let value = |(_, c, i, j)| ((c + i + j) % 7) as f32 - 3.0;
        let x = Array4::from_shape_fn((1, 3, 224, 224), value);
        [(); 2].map(|()| {
            peak(|| {
                let y = network.features(x.view(), &functions, &fast, &mut |_, _| {}).unwrap();
                network.logits(y.view(), &functions, &fast).unwrap();
            })
        })
    })
}

/// The number of floats in the largest feature map of either network: 64 x 112 x 112, which equals 256 x 56 x 56.
const LARGEST_MAP: usize = 64 * 112 * 112;

#[test]
fn a_pass_takes_no_more_memory_than_the_book_says() {
    let allowed = 4 * LARGEST_MAP * size_of::<f32>();
    let page = include_str!("../../../docs/speed.md");
    let said = format!("beyond the weights: 4 x {LARGEST_MAP} floats 12.25 MiB");
    assert!(page.replace('\n', " ").replace(',', "").contains(&said), "{said}");
    assert_eq!(format!("{:.2}", allowed as f64 / f64::from(1 << 20)), "12.25");
    for threads in [1, 2] {
        for (name, form) in [
            ("resnet50", Form::Grouped),
            ("resnext50_32x4d", Form::Grouped),
            ("resnext50_32x4d", Form::EarlyConcat),
            ("resnext50_32x4d", Form::Aggregated),
        ] {
            for (pass, bytes) in ["first", "second"].into_iter().zip(passes(name, form, threads)) {
                let what = format!("{name}, {form:?}, {threads} threads, {pass} pass");
                println!("{what}: {bytes} bytes of {allowed}");
                assert!(bytes <= allowed, "{what}: {bytes} bytes, more than {allowed}");
                // Allocations are seen at all: a block's shortcut and its output live at once.
                assert!(bytes > 2 * LARGEST_MAP * size_of::<f32>(), "{what}: {bytes} bytes");
            }
        }
    }
}

/// The estimate behind the program's memory warning is off by at most a factor of four, in either direction.
#[test]
fn the_memory_of_a_block_is_as_estimated() {
    for (block, (h, w)) in
        [("64x32x4", (56, 56)), ("1x1x1024", (1, 1)), ("1x20000x1", (1, 1)), ("16x4x4", (300, 200))]
    {
        let spec = block.parse().unwrap();
        let taken = peak(|| {
            let forms: [&dyn AnyForm; 3] = [&Form::Aggregated, &Form::EarlyConcat, &Form::Grouped];
            let plan = Plan { cases: NonZeroU64::MIN, ..Plan::default() };
            let report = verify(&forms, &Input::Block(spec, (h, w)), &plan, Seed(0), &Quiet);
            assert!(report.unwrap().holds());
        });
        let about = need::of_block(&spec, (h, w)).unwrap().about as f64;
        println!("{block}: {taken} bytes taken, {about} estimated");
        assert!((0.25..4.0).contains(&(taken as f64 / about)), "{block}: {taken}, {about}");
    }
}
