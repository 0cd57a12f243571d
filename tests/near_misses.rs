//! The gallery of wrong blocks, and what refutes each.

use std::sync::atomic::AtomicBool;

use triform::evidence::matrix::{self, Cell};
use triform::evidence::near_misses::ALL;
use triform::evidence::verify::Progress;
use triform::random::Seed;

#[test]
fn the_matrix() {
    let start = std::time::Instant::now();
    let progress = Progress { step: &|_, _, _| (), interrupted: &AtomicBool::new(false) };
    let rows = matrix::run(&ALL, Seed(0), &progress).unwrap().unwrap();
    for row in &rows {
        let cells: String = row
            .cells
            .iter()
            .map(|cell| match cell {
                Cell::Refuted => " x",
                Cell::Missed => " .",
                Cell::NotApplicable => "  ",
            })
            .collect();
        println!("{:25}{cells}   {:?}", row.near_miss.name, row.cases);
    }
    println!("{:?}", start.elapsed());
}

#[test]
fn the_witnesses() {
    use triform::evidence::witness;
    for near_miss in &ALL {
        let start = std::time::Instant::now();
        let found = witness::smallest(near_miss, Seed(0)).unwrap();
        let Some(found) = found else {
            println!("{}: NONE {:?}", near_miss.name, start.elapsed());
            continue;
        };
        let e = &found.example;
        println!(
            "{}: {} {:?} x {:?} w {:?} {:?} {:?} second {} {:?} {:?} {:?}",
            near_miss.name,
            e.weights.spec(),
            e.x.shape(),
            e.x.iter().collect::<Vec<_>>(),
            e.weights.reduce().iter().collect::<Vec<_>>(),
            e.weights.transform().iter().collect::<Vec<_>>(),
            e.weights.expand().iter().collect::<Vec<_>>(),
            e.second_call,
            e.layout,
            found.parting,
            start.elapsed()
        );
        let norm = |n: &triform::block::BatchNorm<f32>| {
            (0..n.channels()).map(|c| n.channel(c).map(|x| *x)).collect::<Vec<_>>()
        };
        println!(
            "   {:?} {:?} {:?}",
            norm(&e.norms.reduce),
            norm(&e.norms.transform),
            norm(&e.norms.expand)
        );
        let right = witness::trace::trace(&near_miss.form, e);
        let wrong = witness::trace::trace(&near_miss.wrong(), e);
        if let (Ok(right), Ok(wrong)) = (right, wrong) {
            if let Some(apart) = witness::trace::first_apart(&right, &wrong) {
                println!(
                    "   {:?} {:?}: {} for {}",
                    apart.layer, apart.index, apart.found, apart.expected
                );
            }
        }
    }
}
