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
