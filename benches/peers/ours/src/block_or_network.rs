//! triform, through its public interface: blocks in each form, networks in form (c).
//!
//! A variant is the letter of a form. With `-nhwc` after it, the block gets an array whose memory is channels-last, and
//! may return such an array. Otherwise, input and output are plain arrays.

use std::path::Path;

use ndarray::{Array4, ArrayD, ArrayView4, Axis, Ix4};
use triform::block::{
    Activation, BlockNorms, BlockWeights, Bottleneck, Form, Functions, NormFunctions,
};
use triform::conv::{Convolver, Fast};
use triform::network::forward::{Network, NetworkFunctions};
use triform::network::weights::{NetworkWeights, ResidualWeights};
use triform::network::zoo;
use triform_cli::checkpoint;

use worker::{Engine, Model, Result, graph, text};

/// The weights of a job.
pub struct Ours(NetworkWeights);

impl Ours {
    pub fn new(folder: &Path) -> Result<Self> {
        let name = text(&folder.join("name.txt"))?;
        let path = folder.join("state_dict.safetensors");
        Ok(Self(checkpoint::read(&zoo::named(&name)?, &path)?))
    }

    /// The block, if the job is one.
    fn block(&self) -> Option<(&BlockWeights<f32>, &BlockNorms<f32>)> {
        match self.0.blocks() {
            [ResidualWeights::Bottleneck(weights, norms)] => Some((weights, norms)),
            _ => None,
        }
    }
}

impl Engine for Ours {
    fn variants(&self) -> Vec<&'static str> {
        match self.block() {
            Some(_) => vec!["a", "b", "c", "a-nhwc", "b-nhwc", "c-nhwc"],
            None => vec!["c"],
        }
    }

    fn load(&self, folder: &Path, variant: &str, model: &str) -> Result<Model> {
        let form = match variant.get(..1) {
            Some("a") => Form::Aggregated,
            Some("b") => Form::EarlyConcat,
            Some("c") => Form::Grouped,
            _ => return Err(format!("no variant {variant}").into()),
        };
        let last = variant.ends_with("-nhwc");
        let (_, inputs) = graph(folder, model)?;
        let inputs = inputs.into_iter().map(|x| -> Result<_> {
            let x = x.into_dimensionality::<Ix4>()?;
            Ok(if last { channels_last(&x) } else { x })
        });
        let inputs: Vec<_> = inputs.collect::<Result<_>>()?;
        let fast = Fast::new();
        let Some((weights, norms)) = self.block() else {
            let prepare = |weights: &_, fast: &_| Bottleneck::prepare(&form, weights, fast);
            let network = Network::prepare(&prepare, &self.0, |x| *x, &fast)?;
            let functions = NetworkFunctions::new(&self.0)?;
            return Ok(ready(inputs, true, move |inputs| {
                let watch = &mut |_, _: ndarray::ArrayView4<'_, f32>| {};
                let features = network.features(inputs[0].view(), &functions, &fast, watch)?;
                Ok(network.logits(features.view(), &functions, &fast)?.into_dyn())
            }));
        };
        let functions = NormFunctions::new(norms, Activation::Relu)?;
        if model != "whole" {
            let weights = weights.clone();
            let model = model.to_owned();
            return Ok(ready(inputs, !last, move |inputs| {
                layer(form, &model, &weights, &functions.functions(), inputs, &fast)
            }));
        }
        let block = Bottleneck::prepare(&form, weights, &fast)?;
        Ok(ready(inputs, !last, move |inputs| {
            Ok(block.forward(inputs[0].view(), &functions.functions(), &fast)?.into_dyn())
        }))
    }
}

/// A single layer, computed with the form's own operations.
fn layer(
    form: Form,
    model: &str,
    weights: &BlockWeights<f32>,
    functions: &Functions<'_, f32>,
    inputs: &[Array4<f32>],
    fast: &Fast,
) -> Result<ArrayD<f32>> {
    let (spec, x) = (weights.spec(), &inputs[0]);
    let by_paths = form != Form::Grouped;
    let input_paths = || -> Vec<Array4<f32>> {
        x.axis_chunks_iter(Axis(1), spec.width()).map(|path| path.to_owned()).collect()
    };
    let path_kernels = |of: fn(triform::block::Path<'_, f32>) -> ArrayView4<'_, f32>, spec| {
        let kernels = weights.paths().map(|path| fast.prepare(of(path), spec));
        kernels.collect::<triform::Result<Vec<_>>>()
    };
    let conv = |kernel, spec, after: &_| fast.conv(x.view(), &fast.prepare(kernel, spec)?, after);
    let y = match model {
        "reduce" if by_paths => {
            let kernels = path_kernels(|path| path.reduce, spec.reduce())?;
            fast.concatenate(&fast.split(x.view(), &kernels, functions.reduce)?)?
        }
        "reduce" => conv(weights.reduce(), spec.reduce(), &functions.after_reduce())?,
        "transform" if by_paths => {
            let kernels = path_kernels(|path| path.transform, spec.transform(1))?;
            fast.concatenate(&fast.each(&input_paths(), &kernels, functions.transform)?)?
        }
        "transform" => {
            let spec = spec.transform(spec.cardinality());
            conv(weights.transform(), spec, &functions.after_transform())?
        }
        "expand" => {
            let after = functions.after_sum(Some(inputs[1].view()));
            if form == Form::Aggregated {
                let kernels = path_kernels(|path| path.expand, spec.expand())?;
                fast.merge(&input_paths(), &kernels, &after)?
            } else {
                conv(weights.expand(), spec.expand(), &after)?
            }
        }
        other => return Err(format!("no model {other}").into()),
    };
    Ok(y.into_dyn())
}

/// The same array, with its memory in the order N, H, W, C.
fn channels_last(x: &Array4<f32>) -> Array4<f32> {
    let last = x.view().permuted_axes([0, 2, 3, 1]).as_standard_layout().into_owned();
    last.permuted_axes([0, 3, 1, 2])
}

/// A model that calls `run`. With `plain`, its output is always a plain array.
fn ready(
    inputs: Vec<Array4<f32>>,
    plain: bool,
    run: impl Fn(&[Array4<f32>]) -> Result<ArrayD<f32>> + 'static,
) -> Model {
    Box::new(move || {
        let y = run(&inputs)?;
        let as_it_is = !plain || y.is_standard_layout();
        let y = if as_it_is { y } else { y.as_standard_layout().into_owned() };
        Ok(Box::new(move || Ok(y.as_standard_layout().into_owned())))
    })
}
