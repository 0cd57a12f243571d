"""OpenVINO on the CPU, in f32, optimised for latency. Arrays are shared with it, not copied."""

import openvino

from peers import protocol

folder, threads = protocol.start()
core = openvino.Core()


def load(_, model):
    how = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = core.compile_model(core.read_model(folder / f"{model}.onnx"), "CPU", how)
    request = compiled.create_infer_request()
    inputs = protocol.inputs(folder, model)

    def run():
        # The output is the request's own memory, and is overwritten by the next run.
        return request.infer(inputs, share_inputs=True, share_outputs=True)[0]

    return run


protocol.serve(openvino.__version__, ["c"], load)
