//! Tests that every number type obeys the laws of a commutative ring and of its dot product.

use super::gradients;
use super::{Additive, Counter, Dot, Dual, Expression, F2, F3, Int, M61, Polynomial, Scalar, Var};

/// Checks the laws on every triple of numbers from `samples`, 0 and 1.
fn check_ring<S: Dot>(samples: &[S]) {
    let all = [&[S::zero(), S::one()][..], samples].concat();
    for a in &all {
        for (b, c) in all.iter().flat_map(|b| all.iter().map(move |c| (b, c))) {
            for (law, left, right) in equations(a, b, c) {
                assert_eq!(left, right, "{law}, for a={a:?}, b={b:?}, c={c:?}");
            }
        }
    }
}

fn equations<S: Dot>(a: &S, b: &S, c: &S) -> [(&'static str, S, S); 10] {
    let (zero, one) = (S::zero(), S::one());
    let mut dot = S::empty();
    S::accumulate(&mut dot, a, b);
    S::accumulate(&mut dot, c, c);
    [
        ("addition is associative", a.add(b).add(c), a.add(&b.add(c))),
        ("addition is commutative", a.add(b), b.add(a)),
        ("zero is the unit of addition", a.add(&zero), a.clone()),
        ("a + (-a) = 0", a.add(&a.neg()), zero),
        ("a - b = a + (-b)", a.sub(b), a.add(&b.neg())),
        ("multiplication is associative", a.mul(b).mul(c), a.mul(&b.mul(c))),
        ("multiplication is commutative", a.mul(b), b.mul(a)),
        ("one is the unit of multiplication", a.mul(&one), a.clone()),
        ("multiplication distributes over addition", a.mul(&b.add(c)), a.mul(b).add(&a.mul(c))),
        ("a dot product is a sum of products", S::total(dot), a.mul(b).add(&c.mul(c))),
    ]
}

/// Floats obey the laws where their sums are exact. Expressions are compared by value.
#[test]
fn every_number_type_is_a_ring() {
    let ints = [2, -3, 1 << 20, 7 - (1 << 19)].map(Int::from);
    check_ring(&ints);
    check_ring(&ints.map(Counter));
    check_ring(&[-1.0f32, 2.0, -3.0, 7.0, 100.0, -81.0]);
    check_ring(&[-1.0f64, 2.0, -3.0, 7.0, 1e5, -8191.0]);
    check_ring(&[-2.0, 3.0].map(Expression::from));
    let p = (1 << 61) - 1;
    check_ring(&[2, 3, p - 1, p - 2, 1 << 60, 123_456_789_012_345_678].map(M61::new));
    check_ring(&F2::all().collect::<Vec<_>>());
    check_ring(&F3::all().collect::<Vec<_>>());
    let pairs = [(0, 1), (2, -3), (-5, 7), (1, 1)];
    let dual = |(a, b): (i64, i64)| Dual { value: Int::from(a), derivative: Int::from(b) };
    check_ring(&pairs.map(dual));
    let dual = |(a, b): (i64, i64)| Dual { value: M61::of(a), derivative: M61::of(b) };
    check_ring(&pairs.map(dual));
    let (x, y) = (Polynomial::variable(0), Polynomial::variable(7));
    let mixed = x.mul(&y).sub(&Polynomial::constant(3));
    check_ring(&[x.clone(), y.clone(), x.add(&y), mixed, x.neg()]);
}

/// Both sides of a law also have the same derivatives with respect to `a`, `b` and `c`.
#[test]
fn gradients_keep_the_laws() {
    let numbers = [0, 1, 2, -3, 7].map(Int::from);
    for (a, b, c) in numbers.into_iter().flat_map(|a| numbers.map(|b| (a, b, numbers[3]))) {
        let given = Var::tracked(&ndarray::arr1(&[a, b, c]));
        for (law, left, right) in equations(&given[0], &given[1], &given[2]) {
            assert_eq!(left, right, "{law}");
            let by =
                |y| gradients(&ndarray::arr1(&[y]), &ndarray::arr1(&[Int::from(1)])).of(&given);
            assert_eq!(by(left), by(right), "{law}, for {given:?}");
        }
    }
}

#[test]
#[should_panic(expected = "addition is associative, for a=1.0, b=100000000.0, c=-100000000.0")]
fn a_broken_law_is_shown_with_its_witness() {
    check_ring(&[1e8f32, -1e8]);
}
