//! A convolution of your own, judged in this process: `cargo run --release --example check_my_kernel`.
use ndarray::{Array4, Axis};
use triform::Result;
use triform::check::{self, ConvCall};
use triform::conv::{Along, KernelShape};

/// Put your own convolution here.
fn my_kernel(call: &ConvCall<'_>) -> Result<Array4<f32>> {
    let kernel = KernelShape::new(call.weight.dim().into(), call.spec)?;
    let (rows, columns) = (call.spec.height(), call.spec.width());
    // A position before the map wraps around to one far beyond its end.
    let from = |along: Along, at: usize, tap: usize| {
        (at * along.stride + tap * along.dilation).wrapping_sub(along.padding[0])
    };
    Ok(Array4::from_shape_fn(kernel.output(call.x.dim().into())?, |(n, o, p, q)| {
        let first = o / kernel.c_out_group() * kernel.c_in_group;
        let taps = call.weight.index_axis(Axis(0), o);
        // Padding is outside the map, where `get` finds nothing.
        let products = taps.indexed_iter().filter_map(|((c, i, j), w)| {
            Some(w * call.x.get((n, first + c, from(rows, p, i), from(columns, q, j)))?)
        });
        call.bias[o] + products.sum::<f32>()
    }))
}

fn main() {
    print!("{}", check::conv("my kernel", |call| my_kernel(call).unwrap().into()));
}
