//! Convolution for `f32`: the adapter between the forms and the kernels of `triform-kernels`.

use ndarray::{Array4, ArrayView4};
use triform_kernels::{self as kernels, Kernel, Level, Spec};

use super::convolver::{Convolver, in_each_path};
use super::epilogue::{ChannelWise, Elementwise, Epilogue};
use super::spec::ConvSpec;
use crate::error::{Error, Result};

/// Convolution for `f32`. It uses the SIMD instructions that this machine has: AVX-512, AVX2 with FMA, or none. It runs
/// on the threads of the rayon pool in which it is called.
///
/// The input may be any view, but it is fastest to read if the channels are last in memory. Outputs have the channels
/// last. [`Kernel`] documents what the kernels do with the process's memory.
///
/// Sums are taken in whatever order is fastest, so a result may differ from the reference by rounding. The evidence
/// shows that the difference stays within the derived bound. It also shows that on integers, the results equal the
/// reference to the bit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fast {
    level: Level,
}

impl Fast {
    /// Uses the best SIMD level that the machine has, or the level that the environment variable
    /// [`LEVEL_VARIABLE`](super::LEVEL_VARIABLE) names.
    pub fn new() -> Self {
        Self::default()
    }

    /// Uses the instructions of this SIMD level.
    ///
    /// Errors: [`Error::Kernels`] if the machine does not have these instructions.
    pub fn with_level(level: Level) -> Result<Self> {
        let level = level.check().map_err(Error::Kernels)?;
        Ok(Self { level })
    }

    /// The SIMD level that is used.
    pub fn level(&self) -> Level {
        self.level
    }
}

impl Convolver<f32> for Fast {
    type Kernel = Kernel;

    fn prepare(&self, weights: ArrayView4<'_, f32>, spec: ConvSpec) -> Result<Kernel> {
        let axes = [spec.height(), spec.width()];
        let spec = Spec {
            stride: axes.map(|along| along.stride),
            padding: axes.map(|along| along.padding),
            dilation: axes.map(|along| along.dilation),
            groups: spec.groups(),
        };
        Kernel::new(weights, spec, self.level).map_err(Error::Kernels)
    }

    fn sums(&self, x: ArrayView4<'_, f32>, kernel: &Kernel) -> Result<Array4<f32>> {
        kernels::conv(x, kernel, kernels::Epilogue::NONE).map_err(Error::Kernels)
    }

    fn conv(
        &self,
        x: ArrayView4<'_, f32>,
        kernel: &Kernel,
        epilogue: &Epilogue<'_, f32>,
    ) -> Result<Array4<f32>> {
        with_epilogue(epilogue, kernel.c_out(), |fused| kernels::conv(x, kernel, fused))
    }

    fn split(
        &self,
        x: ArrayView4<'_, f32>,
        kernels: &[Kernel],
        function: &dyn ChannelWise<f32>,
    ) -> Result<Vec<Array4<f32>>> {
        with_function(function, kernels, |function| kernels::split(x, kernels, function))
    }

    fn each(
        &self,
        xs: &[Array4<f32>],
        kernels: &[Kernel],
        function: &dyn ChannelWise<f32>,
    ) -> Result<Vec<Array4<f32>>> {
        with_function(function, kernels, |function| kernels::each(&views(xs), kernels, function))
    }

    fn merge(
        &self,
        xs: &[Array4<f32>],
        kernels: &[Kernel],
        epilogue: &Epilogue<'_, f32>,
    ) -> Result<Array4<f32>> {
        let c_out = kernels.first().map_or(0, Kernel::c_out);
        with_epilogue(epilogue, c_out, |fused| kernels::merge(&views(xs), kernels, fused))
    }

    fn concatenate(&self, xs: &[Array4<f32>]) -> Result<Array4<f32>> {
        kernels::concatenate(&views(xs)).map_err(Error::Kernels)
    }
}

fn views(xs: &[Array4<f32>]) -> Vec<ArrayView4<'_, f32>> {
    xs.iter().map(|x| x.view()).collect()
}

/// Converts the functions of the first channels to the format of the kernels. In this format, either every channel has
/// a ReLU or no channel has. `None` if the functions do not fit the format, or if there are too few functions.
fn as_data(function: &dyn ChannelWise<f32>, channels: usize) -> Option<kernels::Elementwise> {
    match function.as_data(0..channels)? {
        Elementwise::Identity => Some(kernels::Elementwise::IDENTITY),
        Elementwise::Relu => Some(kernels::Elementwise::RELU),
        Elementwise::Affine(affine) => {
            let relu = affine.first()?.relu;
            let alike = affine.len() == channels && affine.iter().all(|one| one.relu == relu);
            let channels = affine.iter().map(|one| (one.scale, one.shift));
            alike.then(|| kernels::Elementwise::affine(channels, relu))
        }
    }
}

/// Runs a convolution with a fused epilogue. If the epilogue is not available as data, it is applied afterwards, as
/// [`Epilogue::apply`] specifies.
fn with_epilogue<'a>(
    epilogue: &Epilogue<'a, f32>,
    c_out: usize,
    conv: impl FnOnce(kernels::Epilogue<'a>) -> kernels::Result<Array4<f32>>,
) -> Result<Array4<f32>> {
    let data = |function| as_data(function, c_out);
    if let Some((function, output)) = data(epilogue.function).zip(data(epilogue.output)) {
        return conv(kernels::Epilogue { function, shortcut: epilogue.shortcut, output })
            .map_err(Error::Kernels);
    }
    let mut z = conv(kernels::Epilogue::NONE).map_err(Error::Kernels)?;
    epilogue.apply(z.view_mut())?;
    Ok(z)
}

/// Runs the convolutions of several paths with a fused function. Its channels are numbered across all paths. If the
/// function is not available as data, it is applied afterwards.
fn with_function(
    function: &dyn ChannelWise<f32>,
    kernels: &[Kernel],
    conv: impl FnOnce(kernels::Elementwise) -> kernels::Result<Vec<Array4<f32>>>,
) -> Result<Vec<Array4<f32>>> {
    let channels = kernels.iter().map(Kernel::c_out).sum();
    if let Some(function) = as_data(function, channels) {
        return conv(function).map_err(Error::Kernels);
    }
    let paths = conv(kernels::Elementwise::IDENTITY).map_err(Error::Kernels)?;
    in_each_path(function, paths.into_iter().map(Ok))
}
