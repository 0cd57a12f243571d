//! `f32` and `f64`, the numbers that networks run on. They obey the laws of a ring only where nothing is rounded. Where
//! something is rounded, the evidence bounds the error.

use super::{Additive, Dot, Ordered, Real, Scalar};

macro_rules! float {
    ($float:ty) => {
        impl Additive for $float {
            fn zero() -> Self {
                0.0
            }
            fn add(&self, other: &Self) -> Self {
                self + other
            }
        }

        impl Scalar for $float {
            fn one() -> Self {
                1.0
            }
            fn mul(&self, other: &Self) -> Self {
                self * other
            }
            fn neg(&self) -> Self {
                -self
            }
            fn sub(&self, other: &Self) -> Self {
                self - other
            }
        }

        impl Ordered for $float {}

        impl Real for $float {
            fn div(&self, other: &Self) -> Self {
                self / other
            }
            fn sqrt(&self) -> Self {
                <$float>::sqrt(*self)
            }
            fn from_f64(value: f64) -> Self {
                value as $float
            }
            fn to_f64(&self) -> f64 {
                f64::from(*self)
            }
        }

        sums_of_itself!($float);
    };
}

float!(f32);
float!(f64);

#[cfg(test)]
mod tests {
    use crate::scalar::Ordered;

    #[test]
    fn relu_and_max_let_nan_and_the_sign_of_zero_through() {
        assert!(f32::NAN.relu().is_nan());
        assert!(Ordered::max(&f32::NAN, &1.0).is_nan());
        assert!(Ordered::max(&1.0, &f32::NAN).is_nan());
        assert_eq!(Ordered::max(&1.0f32, &2.0), 2.0);
        assert_eq!(Ordered::max(&2.0f32, &1.0), 2.0);
        assert_eq!(((-3.0f32).relu(), 3.0f32.relu()), (0.0, 3.0));
        // -0 is not below 0, so ReLU keeps -0. The kernels must do so too, to the bit.
        assert_eq!((-0.0f32).relu().to_bits(), (-0.0f32).to_bits());
        assert_eq!(0.0f32.relu().to_bits(), 0.0f32.to_bits());
    }
}
