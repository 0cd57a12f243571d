//! candle. It runs a model layer by layer, as `peers/graph.py` describes it, with candle_nn's own layers.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use candle_nn::{Conv2d, Conv2dConfig, Linear, Module};
use ndarray::{ArrayD, IxDyn};

use worker::{Engine, Model, Result, Step, graph};

/// The weights of a job.
pub struct Candle(HashMap<String, Tensor>);

impl Candle {
    pub fn new(folder: &Path) -> Result<Self> {
        let path = folder.join("folded.safetensors");
        Ok(Self(candle_core::safetensors::load(path, &Device::Cpu)?))
    }

    fn weight(&self, name: String) -> Result<Tensor> {
        self.0.get(&name).cloned().ok_or_else(|| format!("no tensor {name}").into())
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
            // candle's pool has no padding; after a ReLU, padding with zeros is equivalent.
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
    fn load(&self, folder: &Path, _: &str, model: &str) -> Result<Model> {
        let (graph, arrays) = graph(folder, model)?;
        // Tensors are numbered: first the inputs, then the output of each step.
        let names = graph.inputs.iter().map(|input| &input.name);
        let names: Vec<_> = names.chain(graph.steps.iter().map(|step| &step.makes)).collect();
        // Each step with the numbers of the tensors that it reads.
        let mut steps = Vec::new();
        for step in &graph.steps {
            let place = |name: &String| {
                let place = names.iter().position(|other| *other == name);
                place.ok_or_else(|| format!("no tensor {name}"))
            };
            let reads = step.reads.iter().map(place).collect::<std::result::Result<Vec<_>, _>>()?;
            steps.push((self.layer(step)?, reads));
        }
        let mut inputs = Vec::new();
        for array in arrays {
            let numbers: Vec<f32> = array.iter().copied().collect();
            inputs.push(Tensor::from_vec(numbers, array.shape(), &Device::Cpu)?);
        }
        Ok(Box::new(move || {
            let mut made = inputs.clone();
            for (layer, reads) in &steps {
                made.push(match layer {
                    Layer::One(layer) => layer.forward(&made[reads[0]])?,
                    Layer::Sum => (&made[reads[0]] + &made[reads[1]])?,
                });
            }
            let output = made.pop().ok_or("a model without steps")?;
            Ok(Box::new(move || {
                let numbers: Vec<f32> = output.flatten_all()?.to_vec1()?;
                Ok(ArrayD::from_shape_vec(IxDyn(output.dims()), numbers)?)
            }))
        }))
    }
}

enum Layer {
    One(Box<dyn Module>),
    Sum,
}
