//! tract, which runs the ONNX files.

use std::path::Path;

use ndarray::{ArrayD, IxDyn};
use tract_linalg::multithread::{Executor, set_default_executor};
use tract_onnx::prelude::*;

use worker::{Engine, Model, Result, graph};

pub struct Tract;

impl Tract {
    /// tract with `threads` threads.
    pub fn new(threads: usize) -> Self {
        if threads > 1 {
            set_default_executor(Executor::multithread(threads));
        }
        Self
    }
}

impl Engine for Tract {
    fn load(&self, folder: &Path, _: &str, model: &str) -> Result<Model> {
        let (_, arrays) = graph(folder, model)?;
        let mut onnx = tract_onnx::onnx().model_for_path(folder.join(format!("{model}.onnx")))?;
        let mut inputs = TVec::new();
        for (number, array) in arrays.iter().enumerate() {
            let numbers: Vec<f32> = array.iter().copied().collect();
            let tensor = Tensor::from_shape(array.shape(), &numbers)?;
            onnx = onnx.with_input_fact(number, f32::fact(array.shape()).into())?;
            inputs.push(tensor.into_tvalue());
        }
        let plan = onnx.into_optimized()?.into_runnable()?;
        Ok(Box::new(move || {
            let output = plan.run(inputs.clone())?.remove(0);
            Ok(Box::new(move || {
                let view = output.to_plain_array_view::<f32>()?;
                let numbers = view.iter().copied().collect();
                Ok(ArrayD::from_shape_vec(IxDyn(view.shape()), numbers)?)
            }))
        }))
    }
}
