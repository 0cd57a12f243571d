//! Reverse-mode differentiation, with numbers that remember how they were computed.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ndarray::{Array, ArrayBase, Data, Dimension};

use super::{Additive, Dot, Ordered, Real, Scalar};

/// A value, and the operation that produced it. Ring operations on such values are recorded, and [`gradients`] walks
/// the record backwards (Linnainmaa 1970). One walk gives the derivatives of a result with respect to all tracked
/// numbers at once. A [`Dual`](super::Dual), in contrast, has a derivative in one direction only.
///
/// ```
/// use ndarray::arr1;
/// use triform::scalar::{Additive, Int, Scalar, Var, gradients};
/// let x = Var::tracked(&arr1(&[Int::from(5), Int::from(7)]));
/// let y = x[0].mul(&x[0]).add(&x[1]); // x0^2 + x1
/// let by = gradients(&arr1(&[y]), &arr1(&[Int::from(1)]));
/// assert_eq!(by.of(&x), arr1(&[Int::from(10), Int::from(1)]));
/// ```
#[derive(Clone, Debug)]
pub struct Var<S> {
    value: S,
    /// The operation that produced the value, and the position of the value among its results. `None` for a constant.
    from: Option<(Arc<Node<S>>, usize)>,
}

/// Computes the gradient with respect to each input of an operation. It is given the inputs and the gradient with
/// respect to each result.
type Back<S> = Box<dyn Fn(&[Var<S>], &[S]) -> Vec<S> + Send + Sync>;

/// A recorded operation.
struct Node<S> {
    /// The number of the operation. It is larger than the numbers of the operations that produced the inputs.
    number: u64,
    results: usize,
    /// Empty for tracked numbers, because they are given and not computed.
    inputs: Vec<Var<S>>,
    back: Back<S>,
}

impl<S> std::fmt::Debug for Node<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "operation {} of {} inputs", self.number, self.inputs.len())
    }
}

/// Drops operations in a loop. The default drop would recurse along the whole chain of a long sum.
impl<S> Drop for Node<S> {
    fn drop(&mut self) {
        let mut inputs = std::mem::take(&mut self.inputs);
        while let Some(Var { from, .. }) = inputs.pop() {
            if let Some(mut node) = from.and_then(|(node, _)| Arc::into_inner(node)) {
                inputs.append(&mut node.inputs);
            }
        }
    }
}

impl<S> Var<S> {
    /// The value.
    pub fn value(&self) -> &S {
        &self.value
    }
}

impl<S: Additive> Var<S> {
    /// A constant. Nothing is differentiated with respect to it.
    pub fn constant(value: S) -> Self {
        Self { value, from: None }
    }

    /// Tracks the numbers of an array, so that results can be differentiated with respect to them.
    pub fn tracked<D: Dimension>(values: &Array<S, D>) -> Array<Self, D> {
        let shape = values.raw_dim();
        let results =
            Self::results(values.iter().cloned().collect(), Vec::new(), |_, _| Vec::new());
        Array::from_shape_vec(shape, results)
            .unwrap_or_else(|error| unreachable!("as many: {error}"))
    }

    /// The results of an operation on several inputs. From the inputs and the gradient with respect to each result,
    /// `back` computes the gradient with respect to each input. `back` must be linear in the gradient.
    ///
    /// If no input is tracked, the results are constants.
    pub fn computed(
        values: Vec<S>,
        inputs: Vec<Self>,
        back: impl Fn(&[Self], &[S]) -> Vec<S> + Send + Sync + 'static,
    ) -> Vec<Self> {
        match inputs.iter().any(|input| input.from.is_some()) {
            true => Self::results(values, inputs, back),
            false => values.into_iter().map(Self::constant).collect(),
        }
    }

    fn results(
        values: Vec<S>,
        inputs: Vec<Self>,
        back: impl Fn(&[Self], &[S]) -> Vec<S> + Send + Sync + 'static,
    ) -> Vec<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let (number, results) = (NUMBER.fetch_add(1, Relaxed), values.len());
        let node = Arc::new(Node { number, results, inputs, back: Box::new(back) });
        let result = |(index, value)| Self { value, from: Some((node.clone(), index)) };
        values.into_iter().enumerate().map(result).collect()
    }

    fn one_of(
        value: S,
        inputs: Vec<Self>,
        back: impl Fn(&[Self], &S) -> Vec<S> + Send + Sync + 'static,
    ) -> Self {
        let back = move |inputs: &[Self], gradient: &[S]| back(inputs, &gradient[0]);
        let mut results = Self::computed(vec![value], inputs, back);
        results.pop().unwrap_or_else(|| unreachable!("one value was given"))
    }
}

/// Gradients with respect to the tracked numbers.
#[derive(Debug)]
pub struct Gradients<S>(BTreeMap<u64, Vec<S>>);

impl<S: Additive> Gradients<S> {
    /// The gradient with respect to each element of an array from [`Var::tracked`]. It is 0 for an element on which the
    /// results do not depend. Gradients with respect to computed numbers are not kept, so they are returned as 0 too.
    pub fn of<D: Dimension>(&self, tracked: &Array<Var<S>, D>) -> Array<S, D> {
        tracked.map(|var| {
            let of = |(node, index): &(Arc<Node<S>>, usize)| {
                Some(self.0.get(&node.number)?[*index].clone())
            };
            var.from.as_ref().and_then(of).unwrap_or_else(S::zero)
        })
    }
}

/// The gradient of the weighted sum of `results` with respect to all tracked numbers. For one result with weight 1,
/// this is that result's gradient. If the weights are the gradient of a loss with respect to the results of a layer,
/// this is the gradient of the loss.
///
/// # Panics
///
/// If `weights` and `results` have different shapes.
pub fn gradients<S: Scalar, R: Data<Elem = Var<S>>, W: Data<Elem = S>, D: Dimension>(
    results: &ArrayBase<R, D>,
    weights: &ArrayBase<W, D>,
) -> Gradients<S> {
    assert_eq!(results.shape(), weights.shape(), "a weight for each result");
    let (mut open, mut given) = (Open(BTreeMap::new()), BTreeMap::new());
    open.add(results.iter(), weights.iter().cloned());
    // Operations that use this one's results have larger numbers, so its gradient is complete.
    while let Some((number, (node, gradient))) = open.0.pop_last() {
        if node.inputs.is_empty() {
            given.insert(number, gradient);
        } else {
            open.add(node.inputs.iter(), (node.back)(&node.inputs, &gradient).into_iter());
        }
    }
    Gradients(given)
}

/// Operations by number. Each comes with the gradient with respect to its results, as far as it has been added up.
struct Open<S>(BTreeMap<u64, (Arc<Node<S>>, Vec<S>)>);

impl<S: Additive> Open<S> {
    fn add<'a>(
        &mut self,
        vars: impl Iterator<Item = &'a Var<S>>,
        gradients: impl Iterator<Item = S>,
    ) where
        S: 'a,
    {
        let mut numbers = vars.zip(gradients);
        let mut next = numbers.next();
        while let Some((var, gradient)) = next {
            let Some((node, _)) = &var.from else {
                next = numbers.next();
                continue;
            };
            let new = || (node.clone(), vec![S::zero(); node.results]);
            let (_, sums) = self.0.entry(node.number).or_insert_with(new);
            // Usually the next number comes from the same operation.
            next = Some((var, gradient));
            while let Some((var, gradient)) = &next {
                match &var.from {
                    Some((other, index)) if Arc::ptr_eq(other, node) => {
                        sums[*index] = sums[*index].add(gradient);
                    }
                    Some(_) => break,
                    None => {}
                }
                next = numbers.next();
            }
        }
    }
}

impl<S: Scalar> Additive for Var<S> {
    fn zero() -> Self {
        Self::constant(S::zero())
    }
    fn add(&self, other: &Self) -> Self {
        let inputs = vec![self.clone(), other.clone()];
        Self::one_of(self.value.add(&other.value), inputs, |_, g| vec![g.clone(), g.clone()])
    }
}

impl<S: Scalar> Scalar for Var<S> {
    fn one() -> Self {
        Self::constant(S::one())
    }
    fn mul(&self, other: &Self) -> Self {
        let inputs = vec![self.clone(), other.clone()];
        Self::one_of(self.value.mul(&other.value), inputs, |inputs, g| {
            vec![g.mul(&inputs[1].value), g.mul(&inputs[0].value)]
        })
    }
    fn neg(&self) -> Self {
        Self::one_of(self.value.neg(), vec![self.clone()], |_, g| vec![g.neg()])
    }
}

/// Compares the values only.
impl<S: PartialEq> PartialEq for Var<S> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// Compares the values only.
impl<S: PartialOrd> PartialOrd for Var<S> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl<S: Ordered> Ordered for Var<S> {
    /// At 0, the derivative of ReLU is 0, as in PyTorch.
    fn relu(&self) -> Self {
        if self.value <= S::zero() { Self::zero() } else { self.clone() }
    }
}

impl<S: Real> Real for Var<S> {
    fn div(&self, other: &Self) -> Self {
        let inputs = vec![self.clone(), other.clone()];
        Self::one_of(self.value.div(&other.value), inputs, |inputs, g| {
            let (a, b) = (&inputs[0].value, &inputs[1].value);
            let by_a = g.div(b);
            let by_b = by_a.mul(&a.div(b)).neg();
            vec![by_a, by_b]
        })
    }
    fn sqrt(&self) -> Self {
        let root = self.value.sqrt();
        let twice = root.add(&root);
        Self::one_of(root, vec![self.clone()], move |_, g| vec![g.div(&twice)])
    }
    fn from_f64(value: f64) -> Self {
        Self::constant(S::from_f64(value))
    }
    fn to_f64(&self) -> f64 {
        self.value.to_f64()
    }
}

/// A sum of products is recorded as one operation, however long it is.
impl<S: Dot> Dot for Var<S> {
    /// The sum of the products of the values, and all their factors.
    type Sum = (S::Sum, Vec<Self>);
    fn accumulate((sum, factors): &mut Self::Sum, weight: &Self, value: &Self) {
        S::accumulate(sum, &weight.value, &value.value);
        factors.extend([weight.clone(), value.clone()]);
    }
    fn total((sum, factors): Self::Sum) -> Self {
        Self::one_of(S::total(sum), factors, |factors, g| {
            let pairs = factors.chunks_exact(2);
            pairs.flat_map(|two| [g.mul(&two[1].value), g.mul(&two[0].value)]).collect()
        })
    }
}
