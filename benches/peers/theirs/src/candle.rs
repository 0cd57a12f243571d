//! candle, layer by layer as `peers/graph.py` describes a model, by candle_nn's own layers.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use candle_nn::{Conv2d, Conv2dConfig, Linear, Module};
use ndarray::{ArrayD, IxDyn};

use worker::Result;
use worker::files::{self, Step};
use worker::protocol::{Engine, Model};

/// The weights of a job.
pub struct Candle {
    folder: PathBuf,
    weights: HashMap<String, Tensor>,
}

impl Candle {
    pub fn new(folder: &Path) -> Result<Self> {
        let path = folder.join("folded.safetensors");
        let weights = candle_core::safetensors::load(path, &Device::Cpu)?;
        Ok(Self { folder: folder.to_owned(), weights })
    }

    fn weight(&self, name: String) -> Result<Tensor> {
        self.weights.get(&name).cloned().ok_or_else(|| format!("no tensor {name}").into())
    }

    fn layer(&self, step: &Step) -> Result<Layer> {
        let parameters = || -> Result<_> {
            let makes = &step.makes;
            Ok((self.weight(format!("{makes}.weight"))?, self.weight(format!("{makes}.bias"))?))
        };
        Ok(match step.op.as_str() {
            "conv" => {
                let (weight, bias) = parameters()?;
                let config = Conv2dConfig {
                    padding: step.pad,
                    stride: step.stride,
                    groups: step.groups,
                    ..Conv2dConfig::default()
                };
                Layer::One(Box::new(Conv2d::new(weight, Some(bias), config)))
            }
            "linear" => {
                let (weight, bias) = parameters()?;
                Layer::One(Box::new(Linear::new(weight, Some(bias))))
            }
            "relu" => Layer::One(Box::new(|x: &Tensor| x.relu())),
            "mean" => Layer::One(Box::new(|x: &Tensor| x.mean((2, 3)))),
            // It has no padding of its own; after a ReLU zeros do.
            "max_pool" => Layer::One(Box::new(|x: &Tensor| {
                let x = x.pad_with_zeros(2, 1, 1)?.pad_with_zeros(3, 1, 1)?;
                x.max_pool2d_with_stride(3, 2)
            })),
            "add" => Layer::Sum,
            other => return Err(format!("no step {other}").into()),
        })
    }
}

impl Engine for Candle {
    fn variants(&self) -> Vec<&'static str> {
        vec!["c"]
    }

    fn load(&self, _: &str, model: &str) -> Result<Box<dyn Model>> {
        let (graph, arrays) = files::graph(&self.folder, model)?;
        // A tensor by its place: the inputs first, then what each step makes.
        let names = graph.inputs.iter().map(|input| &input.name);
        let names: Vec<_> = names.chain(graph.steps.iter().map(|step| &step.makes)).collect();
        let mut steps = Vec::new();
        for step in &graph.steps {
            let place = |name: &String| {
                let place = names.iter().position(|other| *other == name);
                place.ok_or_else(|| format!("no tensor {name}"))
            };
            let reads = step.reads.iter().map(place).collect::<std::result::Result<_, _>>()?;
            steps.push((self.layer(step)?, reads));
        }
        let mut inputs = Vec::new();
        for array in arrays {
            let numbers: Vec<f32> = array.iter().copied().collect();
            inputs.push(Tensor::from_vec(numbers, array.shape(), &Device::Cpu)?);
        }
        Ok(Box::new(Layers { steps, inputs, output: None }))
    }
}

enum Layer {
    One(Box<dyn Module>),
    Sum,
}

struct Layers {
    /// Each with the places of what it reads.
    steps: Vec<(Layer, Vec<usize>)>,
    inputs: Vec<Tensor>,
    output: Option<Tensor>,
}

impl Model for Layers {
    fn run(&mut self) -> Result<()> {
        let mut made = self.inputs.clone();
        for (layer, reads) in &self.steps {
            let y = match layer {
                Layer::One(layer) => layer.forward(&made[reads[0]])?,
                Layer::Sum => (&made[reads[0]] + &made[reads[1]])?,
            };
            made.push(y);
        }
        self.output = made.pop();
        Ok(())
    }

    fn output(&self) -> Result<ArrayD<f32>> {
        let Some(output) = &self.output else { return Ok(ArrayD::zeros(IxDyn(&[0]))) };
        let numbers: Vec<f32> = output.flatten_all()?.to_vec1()?;
        let shape = output.dims().to_vec();
        Ok(ArrayD::from_shape_vec(IxDyn(&shape), numbers)?)
    }
}
