//! One error type.

/// What can go wrong in a worker.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A command line or a question that cannot be read.
    #[error("{0}")]
    Usage(String),
    /// A file that cannot be read or written.
    #[error("{0}: {1}")]
    File(String, String),
    /// A step of a model that an engine does not know.
    #[error("no step {0}")]
    Step(String),
    /// A tensor that a step reads and nobody made.
    #[error("no tensor {0}")]
    Tensor(String),
    /// Threads that cannot be started.
    #[error("threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// Input or output of the worker.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// An error of triform.
    #[error("triform: {0}")]
    Triform(#[from] triform::Error),
    /// An error of tract.
    #[error("tract: {0}")]
    Tract(#[from] tract_onnx::prelude::TractError),
    /// An error of candle.
    #[error("candle: {0}")]
    Candle(#[from] candle_core::Error),
}

/// What a worker's functions give.
pub type Result<T> = std::result::Result<T, Error>;
