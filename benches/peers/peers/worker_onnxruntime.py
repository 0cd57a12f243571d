"""ONNX Runtime as installed, with all its optimisations. Only the number of threads is set."""

import onnxruntime

from peers import protocol

folder, threads = protocol.start()


def load(_, model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        folder / f"{model}.onnx", options, providers=["CPUExecutionProvider"]
    )
    inputs = protocol.inputs(folder, model)
    return lambda: session.run(None, inputs)[0]


protocol.serve(onnxruntime.__version__, ["c"], load)
