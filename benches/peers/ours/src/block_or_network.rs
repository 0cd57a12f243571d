//! triform, by its public interface: blocks in each form, networks in form (c).
//!
//! A variant is the form's letter; `-nhwc` behind it where the block is handed an array whose memory is
//! channels-last, and may give such a one. Otherwise the output is a plain array too.

use std::path::{Path, PathBuf};

use ndarray::{Array4, ArrayD, Axis, Ix4, concatenate};
use triform::block::{
    Activation, BlockNorms, BlockWeights, Bottleneck, Form, Functions, NormFunctions,
};
use triform::conv::{Convolver, Fast};
use triform::network::forward::{Network, NetworkFunctions};
use triform::network::weights::{NetworkWeights, ResidualWeights};
use triform::network::zoo;
use triform_cli::checkpoint;

use worker::protocol::{Engine, Model};
use worker::{Result, files};

/// The weights of a job.
pub struct Ours {
    folder: PathBuf,
    weights: NetworkWeights,
}

impl Ours {
    pub fn new(folder: &Path) -> Result<Self> {
        let name = files::text(&folder.join("name.txt"))?;
        let path = folder.join("state_dict.safetensors");
        let weights = checkpoint::read(&zoo::named(&name)?, &path)?;
        Ok(Self { folder: folder.to_owned(), weights })
    }

    /// The block, where the job is one.
    fn block(&self) -> Option<(&BlockWeights<f32>, &BlockNorms<f32>)> {
        match self.weights.blocks() {
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

    fn load(&self, variant: &str, model: &str) -> Result<Box<dyn Model>> {
        let form = match variant.get(..1) {
            Some("a") => Form::Aggregated,
            Some("b") => Form::EarlyConcat,
            Some("c") => Form::Grouped,
            _ => return Err(format!("no variant {variant}").into()),
        };
        let last = variant.ends_with("-nhwc");
        let (_, inputs) = files::graph(&self.folder, model)?;
        let inputs = inputs.into_iter().map(|x| -> Result<_> {
            let x = x.into_dimensionality::<Ix4>()?;
            Ok(if last { channels_last(&x) } else { x })
        });
        let inputs: Vec<_> = inputs.collect::<Result<_>>()?;
        let fast = Fast::new();
        let Some((weights, norms)) = self.block() else {
            let prepare = |weights: &_, fast: &_| Bottleneck::prepare(&form, weights, fast);
            let network = Network::prepare(&prepare, &self.weights, |x| *x, &fast)?;
            let functions = NetworkFunctions::new(&self.weights)?;
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

/// One layer alone, by the verbs with which the form computes it.
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
    let paths = || -> Vec<Array4<f32>> {
        x.axis_chunks_iter(Axis(1), spec.width()).map(|path| path.to_owned()).collect()
    };
    let y = match model {
        "reduce" if by_paths => {
            let kernels = weights.paths().map(|path| fast.prepare(path.reduce, spec.reduce()));
            let kernels = kernels.collect::<triform::Result<Vec<_>>>()?;
            side_by_side(&fast.split(x.view(), &kernels, functions.reduce)?)?
        }
        "reduce" => {
            let kernel = fast.prepare(weights.reduce(), spec.reduce())?;
            fast.conv(x.view(), &kernel, &functions.after_reduce())?
        }
        "transform" if by_paths => {
            let kernels =
                weights.paths().map(|path| fast.prepare(path.transform, spec.transform(1)));
            let kernels = kernels.collect::<triform::Result<Vec<_>>>()?;
            side_by_side(&fast.each(&paths(), &kernels, functions.transform)?)?
        }
        "transform" => {
            let how = spec.transform(spec.cardinality());
            let kernel = fast.prepare(weights.transform(), how)?;
            fast.conv(x.view(), &kernel, &functions.after_transform())?
        }
        "expand" => {
            let after = functions.after_sum(Some(inputs[1].view()));
            if form == Form::Aggregated {
                let kernels = weights.paths().map(|path| fast.prepare(path.expand, spec.expand()));
                let kernels = kernels.collect::<triform::Result<Vec<_>>>()?;
                fast.merge(&paths(), &kernels, &after)?
            } else {
                let kernel = fast.prepare(weights.expand(), spec.expand())?;
                fast.conv(x.view(), &kernel, &after)?
            }
        }
        other => return Err(format!("no model {other}").into()),
    };
    Ok(y.into_dyn())
}

fn side_by_side(paths: &[Array4<f32>]) -> Result<Array4<f32>> {
    let views: Vec<_> = paths.iter().map(|path| path.view()).collect();
    Ok(concatenate(Axis(1), &views)?)
}

/// The same array, its memory in the order N, H, W, C.
fn channels_last(x: &Array4<f32>) -> Array4<f32> {
    let last = x.view().permuted_axes([0, 2, 3, 1]).as_standard_layout().into_owned();
    last.permuted_axes([0, 3, 1, 2])
}

/// A model from what runs it; `plain` where its output must be a plain array.
fn ready(
    inputs: Vec<Array4<f32>>,
    plain: bool,
    run: impl Fn(&[Array4<f32>]) -> Result<ArrayD<f32>> + 'static,
) -> Box<dyn Model> {
    Box::new(Ready { inputs, plain, run, output: None })
}

struct Ready<F> {
    inputs: Vec<Array4<f32>>,
    plain: bool,
    run: F,
    output: Option<ArrayD<f32>>,
}

impl<F: Fn(&[Array4<f32>]) -> Result<ArrayD<f32>>> Model for Ready<F> {
    fn run(&mut self) -> Result<()> {
        let y = (self.run)(&self.inputs)?;
        let as_it_is = !self.plain || y.is_standard_layout();
        self.output = Some(if as_it_is { y } else { y.as_standard_layout().into_owned() });
        Ok(())
    }

    fn output(&self) -> Result<ArrayD<f32>> {
        let y = self.output.as_ref().ok_or("not run yet")?;
        Ok(y.as_standard_layout().into_owned())
    }
}
