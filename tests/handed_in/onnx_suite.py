"""Whether the suites of `triform cases --onnx` are what ONNX and its engines take.

    python3 -m pip install -r requirements.txt
    python3 onnx_suite.py [TRIFORM]

TRIFORM is the program, by default target/release/triform. Five judges look at each case:

- checker: onnx.checker accepts the model, shapes inferred;
- arrays: model and test data hold the very arrays of the case's .npz;
- values: onnxruntime gives the expected output, exactly save for floats;
- runner: so does ONNX's own runner of backend tests, with onnxruntime for backend;
- triform: `triform check` agrees with what onnxruntime gave, floats within what each value is allowed.

Then some cases are spoilt, each in one place: the judges who must object do, and nobody objects to the other cases.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import warnings

import numpy as np
import onnx
import onnxruntime.backend
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import Runner

ROOT = pathlib.Path(__file__).parents[2]
INPUT, OUTPUT = "test_data_set_0/input_0.pb", "test_data_set_0/output_0.pb"


def checker(model):
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        return str(error)


def arrays(model, x, npz):
    weights = {weight.name: numpy_helper.to_array(weight) for weight in model.graph.initializer}
    with np.load(npz) as file:
        [found, wanted] = [{name: (array.dtype, array.shape, array.tobytes()) for name, array in all_.items()}
                           for all_ in (weights | {"x": x}, file)]
    differ = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    return f"not those of the .npz: {differ}" if differ else None


def values(model, kind, x, y, output):
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        [found] = session.run(None, {"x": x})
    except Exception as error:  # whatever an engine raises that refuses a model
        return str(error)
    np.savez(output, y=found)
    if found.shape != y.shape or found.dtype != y.dtype or not np.any(y):
        return f"{found.dtype} {found.shape}, not {y.dtype} {y.shape}; or only zeros are expected"
    if kind != "floats" and not np.array_equal(found, y, equal_nan=True):
        return f"{np.sum(found != y)} of {y.size} are others"


class Suite(Runner):
    """ONNX's runner, with the tests of a folder in place of its own."""

    def __init__(self, folder):
        with warnings.catch_warnings(action="ignore"):
            super().__init__(onnxruntime.backend)
        self._test_items.clear()
        for test in load_model_tests(str(folder.parent), folder.name):
            self._add_model_test(test, "Triform")

    def objections(self):
        result = unittest.TestResult()
        self.test_suite.run(result)
        # Each test is there for the CPU, and skipped for the GPU.
        assert result.testsRun == 2 * len(result.skipped) > 0
        bad = result.failures + result.errors
        return {test.id().split(".")[-1].removeprefix("test_").removesuffix("_cpu"): why for test, why in bad}


def triform_check(triform, cases, outputs):
    command = [triform, "check", cases, outputs, "--json"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode in (0, 1), made.stderr
    verdicts = {case["name"]: case["verdict"] for case in json.loads(made.stdout)["cases"]}
    return {name: verdict for name, verdict in verdicts.items() if verdict != "agree"}


def judge(triform, cases, suite):
    """For each case who objects to it, and why."""
    listed = {case["name"]: case["kind"] for case in json.loads((cases / "cases.json").read_text())["cases"]}
    assert {folder.name for folder in suite.iterdir()} == {f"test_{name}" for name in listed}
    objections = {name: {} for name in listed}
    with tempfile.TemporaryDirectory() as outputs:
        for name, kind in listed.items():
            folder, npz = suite / f"test_{name}", f"{name}.npz"
            model = onnx.load(folder / "model.onnx")
            x, y = (numpy_helper.to_array(onnx.load_tensor(folder / file)) for file in (INPUT, OUTPUT))
            objections[name] = {
                "checker": checker(model),
                "arrays": arrays(model, x, cases / npz),
                "values": values(model, kind, x, y, pathlib.Path(outputs) / npz),
            }
        for who, all_ in [("runner", Suite(suite).objections()), ("triform", triform_check(triform, cases, outputs))]:
            for name, why in all_.items():
                objections[name][who] = why
    return {name: {who: why for who, why in all_.items() if why} for name, all_ in objections.items()}


def node_of(model, op):
    return next(node for node in model.graph.node if node.op_type == op)


def attribute(model, op, name):
    return next(found for found in node_of(model, op).attribute if found.name == name)


def mirrored_pads(model):
    pads = attribute(model, "Conv", "pads").ints
    top, left, bottom, right = pads
    pads[:] = [top, right, bottom, left]
    return left != right


def wider_kernel(model):
    attribute(model, "Conv", "kernel_shape").ints[0] += 1
    return True


def other_epsilon(model):
    attribute(model, "BatchNormalization", "epsilon").f = 1e-3
    return True


def other_weight(model):
    weight = model.graph.initializer[0]
    changed = numpy_helper.to_array(weight) + np.float32(1)
    weight.CopyFrom(numpy_helper.from_array(changed, weight.name))
    return True


def no_shortcut(model):
    add = node_of(model, "Add")
    add.input[1] = add.input[0]
    return True


def no_relu(model):
    node_of(model, "Relu").op_type = "Identity"
    return True


def within_a_thousandth(y):
    """A change of the largest value that a relative tolerance of 1e-3 accepts."""
    at = np.nanargmax(np.abs(y))
    y.flat[at] += np.abs(y).flat[at] / 2048
    return True


EVERY = {"values", "runner", "triform"}
# What is spoilt, the model or y; in the first case of a kind where it changes anything; who must object.
SPOILT = [
    (mirrored_pads, "conv-integers", EVERY),
    (wider_kernel, "conv-integers", {"checker"} | EVERY),
    (other_weight, "conv-integers", {"arrays"} | EVERY),
    (other_weight, "conv-floats", {"arrays", "runner", "triform"}),
    (within_a_thousandth, "conv-integers", {"values", "runner"}),
    (within_a_thousandth, "conv-floats", {"runner"}),
    (other_epsilon, "block-integers", EVERY),
    (no_shortcut, "block-integers", EVERY),
    (no_relu, "block-specials", EVERY),
    (no_relu, "block-floats", {"runner", "triform"}),
]


def spoil(suite):
    """Spoils a suite; what was done, to which case, and who must object."""
    done = {}
    for change, kind, judges in SPOILT:
        for folder in sorted(suite.glob(f"test_{kind}-*")):
            name = folder.name.removeprefix("test_")
            if name in done:
                continue
            if change is within_a_thousandth:
                y = numpy_helper.to_array(onnx.load_tensor(folder / OUTPUT)).copy()
                changed = change(y)
                file, contents = OUTPUT, numpy_helper.from_array(y, "y")
            else:
                file, contents = "model.onnx", onnx.load(folder / "model.onnx")
                changed = change(contents)
            if changed:
                (folder / file).write_bytes(contents.SerializeToString())
                done[name] = (change.__name__, judges)
                break
        else:
            sys.exit(f"no case of {kind} is left for {change.__name__}")
    return done


def main():
    onnxruntime.set_default_logger_severity(4)  # spoilt models are meant to fail
    triform = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/release/triform").resolve()
    with tempfile.TemporaryDirectory() as scratch:
        cases, suite = pathlib.Path(scratch) / "cases", pathlib.Path(scratch) / "suite"
        kinds = ["--kind", "integers,floats,specials"]
        subprocess.run([triform, "cases", "--out", cases, "--onnx", suite, *kinds, "--quiet"], check=True)
        right = judge(triform, cases, suite)
        spoilt = spoil(suite)
        wrong = judge(triform, cases, suite)
    failed = [f"{name}: {all_}" for name, all_ in right.items() if all_]
    for name, all_ in wrong.items():
        what, judges = spoilt.get(name, ("nothing", right[name].keys()))
        if name in spoilt:
            print(f"{what} in {name} is seen by {', '.join(all_) or 'nobody'}")
        if set(all_) != set(judges):
            failed.append(f"{what} in {name}: {sorted(all_)} object, not {sorted(judges)}")
    print(*failed, sep="\n", end="\n" if failed else "")
    print(f"{len(right) + len(spoilt) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
