//! R6, exhaustive: every weight, every input, every function, in a field of two or three elements.
//!
//! Nothing is drawn and nothing is assumed. At the smallest shapes, everything can be tried. All inputs of a block go
//! through it at once, as the images of one batch. On the smallest shape over F_2, each place and channel has one of
//! the four possible functions, and every combination is tried. The function after the last 1x1 is used again at the
//! output. Over F_3 all channels share one function, and all 27 are tried. The larger shapes over F_2 try fewer
//! combinations.
//!
//! The rung says nothing about any other shape. The maps are 1x1, because larger maps have too many inputs to try. So
//! the rung says nothing about larger kernels.

use ndarray::{Array4, ArrayViewMut3};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::{GoOn, Method, Piece};
use crate::block::{BlockSpec, BlockWeights, Bottleneck, Functions};
use crate::conv::{ChannelWise, Identity, Reference};
use crate::error::Result;
use crate::evidence::{
    AnyForm, Between, Bound, Evidence, Forms, Runs, Value, checked, odd_ones_out,
};
use crate::scalar::{Additive, Prime};

/// R6.
pub const METHOD: Method = Method {
    name: "exhaustive",
    asks: "equal on every input, tiny field?",
    says: "In a field of 2 or 3 elements, the forms are equal for all weights, all inputs and the listed functions.",
    blind_to: "larger blocks and kernels",
    own: || {
        let piece = |(number, everything): (usize, &'static Everything)| Piece {
            stage: format!("tiny{}", number + 1),
            scope: everything.in_words(),
            size: 1e8,
            in_matrix: true,
            work: Box::new(move |forms, go_on| match everything.field {
                2 => everything.over::<2>(forms, go_on),
                _ => everything.over::<3>(forms, go_on),
            }),
        };
        Ok(SHAPES.iter().enumerate().map(piece).collect())
    },
    ..Method::NONE
};

/// The approximate number of pairs of weights and functions that are tried before `go_on` is asked again.
const A_PART: usize = 4096;

const NOTHING: Bound = Bound::Exhausted { assignments: 0 };

/// A shape over a field, and the functions that are tried on it.
struct Everything {
    /// The number of elements of the field, 2 or 3.
    field: u64,
    /// The number of paths.
    paths: usize,
    /// The number of channels of a path.
    width: usize,
    /// Which functions are tried between the layers.
    functions: Choose,
}

/// Which functions are tried.
#[derive(PartialEq)]
enum Choose {
    /// Every function, chosen separately for each place and channel.
    ForEachChannel,
    /// Every function, the same in all channels of a place.
    ForEachPlace,
    /// Every function, the same everywhere.
    OneForAll,
    /// Only the function 1 - a, the same everywhere. Over F_2 it exchanges 0 and 1.
    Negation,
}

/// The shapes that are tried. Over F_2, they have two or three paths of one channel, or two paths of two channels. Over
/// F_3, there are two paths of one channel.
const SHAPES: [Everything; 4] = [
    Everything { field: 2, paths: 2, width: 1, functions: Choose::ForEachChannel },
    Everything { field: 2, paths: 3, width: 1, functions: Choose::ForEachPlace },
    Everything { field: 2, paths: 2, width: 2, functions: Choose::Negation },
    Everything { field: 3, paths: 2, width: 1, functions: Choose::OneForAll },
];

impl Everything {
    fn in_words(&self) -> String {
        let Self { field, paths, width, .. } = self;
        let functions = match self.functions {
            Choose::ForEachChannel => "by channel",
            Choose::ForEachPlace => "by layer",
            Choose::OneForAll => "one for all",
            Choose::Negation => "1 - a",
        };
        format!("F_{field}, 1-{paths}x{width}-1, functions {functions}")
    }

    /// Tries everything, unless `go_on` says to stop. `go_on` is called before each part, with the evidence from the
    /// earlier parts.
    fn over<const P: u64>(&self, forms: Forms<'_>, go_on: &GoOn<'_>) -> Result<Evidence>
    where
        Reference: Runs<Prime<P>>,
    {
        let spec = BlockSpec::new(1, self.paths, self.width, 1)?.with_kernel(1)?;
        let inner = spec.inner();
        let sizes = [inner, inner * spec.width(), inner];
        let length: usize = sizes.iter().sum();
        let functions = P.pow(P as u32); // all functions of the field
        let tables = match self.functions {
            Choose::ForEachChannel => 2 * inner + 1,
            Choose::ForEachPlace => 3,
            Choose::OneForAll => 1,
            Choose::Negation => 0,
        };
        // The images of the batch are all the inputs, so each input is tried with all weights and functions.
        let x =
            Array4::from_shape_fn((P as usize, 1, 1, 1), |(image, ..)| Prime::new(image as u64));
        let reference = Reference::default();

        // Tries one set of weights with all functions.
        let one = |of_weights: u64| -> Result<Evidence> {
            let mut elements = digits(of_weights, P, length).map(Prime::<P>::new);
            let mut tensor = |shape: [usize; 4]| {
                Array4::from_shape_simple_fn(shape, || elements.next().unwrap_or_else(Prime::zero))
            };
            let reduce = tensor([inner, 1, 1, 1]);
            let transform = tensor([inner, spec.width(), 1, 1]);
            let expand = tensor([1, inner, 1, 1]);
            let weights = BlockWeights::new(spec, reduce, transform, expand, None)?;
            let prepare =
                |form: &&dyn AnyForm| Reference::of_form(*form).bottleneck(&weights, &reference);
            let blocks = forms.iter().map(prepare).collect::<Result<Vec<_>>>()?;
            let mut so_far = Evidence::none(NOTHING);
            for of_functions in 0..functions.pow(tables as u32) {
                let [f1, f2, f3] = self.tables::<P>(of_functions, inner);
                let between = Between::from(Functions {
                    reduce: &f1,
                    transform: &f2,
                    expand: &f3,
                    shortcut: &Identity,
                    // The function after the last 1x1, used a second time. It runs through all
                    // functions, and most of them change the result of a form that leaves it out.
                    output: &f3,
                });
                let forward = |(form, block): (&&dyn AnyForm, &Bottleneck<_, _>)| {
                    let built = Reference::of_form(*form).functions(&between, &spec)?;
                    checked(
                        block.forward(x.view(), &built.functions(), &reference)?,
                        x.view(),
                        &spec,
                    )
                };
                let outputs = forms.iter().zip(&blocks).map(forward).collect::<Result<Vec<_>>>()?;
                let show = |element: &Prime<P>| Value::Text(element.value().to_string());
                let show = |l: &_, r: &_| [l, r].map(show);
                let witnesses = odd_ones_out(forms, &outputs, "output", show);
                let bound = Bound::Exhausted { assignments: P };
                so_far = so_far.and(Evidence { cases: P, ..Evidence::of(bound, witnesses) });
            }
            Ok(so_far)
        };
        // In order, so that the witness is always the same.
        let numbers: Vec<u64> = (0..P.pow(length as u32)).collect();
        let mut so_far = Evidence::none(NOTHING);
        let with_all_functions = functions.pow(tables as u32) as usize;
        for numbers in numbers.chunks((A_PART / with_all_functions).max(8)) {
            if !go_on(&so_far) {
                break;
            }
            let found: Vec<_> = numbers.into_par_iter().map(|number| one(*number)).collect();
            for next in found {
                so_far = so_far.and(next?);
            }
        }
        Ok(so_far)
    }

    /// The functions after the first, the second and the last convolution, in the combination with this number.
    fn tables<const P: u64>(&self, number: u64, inner: usize) -> [Tables<P>; 3] {
        let functions = P.pow(P as u32);
        let one = |number: u64| vec![number % functions];
        let [f1, f2, f3] = match self.functions {
            Choose::ForEachChannel => {
                let numbers: Vec<u64> = digits(number, functions, 2 * inner + 1).collect();
                [&numbers[..inner], &numbers[inner..2 * inner], &numbers[2 * inner..]]
                    .map(<[u64]>::to_vec)
            }
            Choose::ForEachPlace => {
                [number, number / functions, number / functions.pow(2)].map(one)
            }
            Choose::OneForAll => [number; 3].map(one),
            Choose::Negation => {
                // The value at a, which is digit a, is 1 - a.
                let negation = (0..P).map(|a| (P + 1 - a) % P * P.pow(a as u32)).sum();
                [negation; 3].map(one)
            }
        };
        [f1, f2, f3].map(|numbers| Tables {
            numbers,
            one_for_all: self.functions != Choose::ForEachChannel,
        })
    }
}

/// The digits of a number in this base, the lowest first.
fn digits(number: u64, base: u64, length: usize) -> impl Iterator<Item = u64> {
    (0..length as u32).map(move |place| number / base.pow(place) % base)
}

/// Each function is stored as a number, whose digits are the function's values. Digit `a` is the value at `a`.
struct Tables<const P: u64> {
    numbers: Vec<u64>,
    one_for_all: bool,
}

impl<const P: u64> ChannelWise<Prime<P>> for Tables<P> {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, Prime<P>>) {
        let own = if self.one_for_all { 0 } else { channel };
        // A channel that the layer does not have gets the function that is 0 everywhere.
        let number = self.numbers.get(own).copied().unwrap_or(0);
        plane.mapv_inplace(|z| Prime::new(number / P.pow(z.value() as u32) % P));
    }
}
