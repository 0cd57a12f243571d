//! tract, on the ONNX files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};
use tract_linalg::multithread::{Executor, set_default_executor};
use tract_onnx::prelude::*;

use worker::protocol::{Engine, Model};
use worker::{Result, files};

/// tract with so many threads.
pub struct Tract {
    folder: PathBuf,
}

impl Tract {
    pub fn new(folder: &Path, threads: usize) -> Self {
        if threads > 1 {
            set_default_executor(Executor::multithread(threads));
        }
        Self { folder: folder.to_owned() }
    }
}

impl Engine for Tract {
    fn variants(&self) -> Vec<&'static str> {
        vec!["c"]
    }

    fn load(&self, _: &str, model: &str) -> Result<Box<dyn Model>> {
        let (_, arrays) = files::graph(&self.folder, model)?;
        let mut onnx =
            tract_onnx::onnx().model_for_path(self.folder.join(format!("{model}.onnx")))?;
        let mut inputs = TVec::new();
        for (number, array) in arrays.iter().enumerate() {
            let numbers: Vec<f32> = array.iter().copied().collect();
            let tensor = Tensor::from_shape(array.shape(), &numbers)?;
            onnx = onnx.with_input_fact(number, f32::fact(array.shape()).into())?;
            inputs.push(tensor.into_tvalue());
        }
        let plan = onnx.into_optimized()?.into_runnable()?;
        Ok(Box::new(Plan { plan, inputs, output: None }))
    }
}

struct Plan {
    plan: Arc<TypedRunnableModel>,
    inputs: TVec<TValue>,
    output: Option<TValue>,
}

impl Model for Plan {
    fn run(&mut self) -> Result<()> {
        self.output = Some(self.plan.run(self.inputs.clone())?.remove(0));
        Ok(())
    }

    fn output(&self) -> Result<ArrayD<f32>> {
        let Some(output) = &self.output else { return Ok(ArrayD::zeros(IxDyn(&[0]))) };
        let view = output.to_plain_array_view::<f32>()?;
        let numbers = view.iter().copied().collect();
        Ok(ArrayD::from_shape_vec(IxDyn(view.shape()), numbers)?)
    }
}
