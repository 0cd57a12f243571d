"""Published tests of two-dimensional convolutions, re-expressed as cases. README.md says how.

Each function gives one suite: where it comes from, its cases, and the rule it compares with. Only
shapes, seeds and numbers are taken from the sources; where the data is drawn here, `data` says so.
"""

import dataclasses
import math
import pathlib
import warnings
import zlib
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.loader import load_model_tests

from folder import Conv


@dataclass
class Part:
    """Cases that one rule judges.

    `rule` is what the source says and `rules` are triform's. Where triform lacks the source's rule
    there are two, a stricter one and then a looser one. They must agree on every mistake; the rule
    between them then agrees too. `blind` begins the names of mistakes in arrays that the published
    test never compares. `command` is for cases that triform writes itself.
    """

    what: str
    rule: str
    rules: tuple
    cases: list | None = None
    blind: tuple = ()
    command: tuple = ()


@dataclass
class Suite:
    name: str
    source: str
    data: str
    parts: list


NO_BIAS = ("bias-gradient",)


def allclose(rtol, atol):
    return (f"allclose:{float(rtol)!r},{float(atol)!r}",)


def allclose_to_found(rtol, atol):
    """|found - expected| <= atol + rtol |found|: `allclose` with the arrays the other way round."""
    return tuple(allclose(rtol / by, atol / by)[0] for by in (1 + rtol, 1 - rtol))


def larger_of_two(rtol, atol):
    """|found - expected| < max(atol, rtol max(|found|, |expected|)): burn's Tolerance."""
    return allclose(rtol / 2, atol / 2) + allclose(rtol / (1 - rtol), atol)


def norm(limit, cases):
    """The Euclidean norm of the difference is below the limit."""
    most = max(math.prod(shape) for case in cases for shape in case.outputs().values())
    return allclose(0, limit / math.sqrt(most)) + allclose(0, limit)


def rng(name):
    return np.random.default_rng(zlib.crc32(name.encode()))


def zeros(weight):
    return np.zeros(weight.shape[0], "f4")


def with_gradients(cases, upstream):
    """The same cases, asking for gradients; `upstream` draws the gradient of the output."""
    return [
        dataclasses.replace(
            case, name=f"{case.name}-gradients", grad_output=upstream(tuple(case.output_shape()))
        )
        for case in cases
    ]


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def around(padding):
    """The same padding on both sides of an axis: [h, w] as left, right, top, bottom."""
    h, w = pair(padding)
    return (w, w, h, h)


def published(case, y, rtol, atol):
    """The case, if its right output is the published one. If not, it is re-expressed wrongly."""
    np.testing.assert_allclose(case.y(), y, rtol=rtol, atol=atol, err_msg=case.name)
    return case


# ONNX


def of_onnx(test, node, inputs):
    x, weight, *bias = inputs
    of = {
        attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute
    }
    strides, dilations = of.get("strides", [1, 1]), of.get("dilations", [1, 1])
    top, left, bottom, right = of.get("pads", [0, 0, 0, 0])
    if of.get("auto_pad") == b"SAME_LOWER":
        totals = [
            max((math.ceil(size / s) - 1) * s + d * (k - 1) + 1 - size, 0)
            for size, k, s, d in zip(x.shape[2:], weight.shape[2:], strides, dilations, strict=True)
        ]
        (bottom, right) = (total // 2 for total in totals)
        (top, left) = (total - total // 2 for total in totals)
    elif "auto_pad" in of:
        raise NotImplementedError(f"{test.name}: auto_pad {of['auto_pad']}")
    return Conv(
        test.name.removeprefix("test_"),
        x,
        weight,
        bias[0] if bias else zeros(weight),
        tuple(strides),
        (left, right, top, bottom),
        tuple(dilations),
        of.get("group", 1),
    )


def onnx_suite(name, where, found):
    """`found` are pairs of a test of the runner and its case."""
    ((rtol, atol),) = {(test.rtol, test.atol) for test, _ in found}
    return Suite(
        name,
        f"onnx {onnx.__version__}, {where}",
        "as published; a zero bias where the test has none",
        [
            Part(
                "outputs",
                f"numpy.testing.assert_allclose, rtol {rtol:g}, atol {atol:g}",
                allclose(rtol, atol),
                [case for _, case in found],
            )
        ],
    )


def onnx_node():
    with warnings.catch_warnings():
        # Other operators' tests overflow on purpose.
        warnings.simplefilter("ignore")
        tests = collect_testcases("Conv")
    found = []
    for test in sorted(tests, key=lambda test: test.name):
        (node,) = test.model.graph.node
        ((inputs, (y,)),) = test.data_sets
        found.append((test, published(of_onnx(test, node, inputs), y, test.rtol, test.atol)))
    return onnx_suite("onnx-node", "onnx/backend/test/case/node/conv.py", found)


def onnx_pytorch():
    def array(path):
        return numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes()))

    kinds = ("pytorch-converted", "pytorch-operator")
    tests = [test for kind in kinds for test in load_model_tests(kind=kind)]
    found = []
    for test in sorted(tests, key=lambda test: test.name):
        folder = pathlib.Path(test.model_dir)
        graph = onnx.load(folder / "model.onnx").graph
        if [node.op_type for node in graph.node] != ["Conv"]:
            continue
        constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        (node,) = graph.node
        x = array(folder / "test_data_set_0" / "input_0.pb")
        if x.ndim != 4:
            continue
        inputs = [constants.get(name, x) for name in node.input]
        y = array(folder / "test_data_set_0" / "output_0.pb")
        found.append((test, published(of_onnx(test, node, inputs), y, test.rtol, test.atol)))
    where = "onnx/backend/test/data/pytorch-*: the tests of one two-dimensional Conv"
    return onnx_suite("onnx-pytorch", where, found)


# Carnegie Mellon's course on deep learning systems, homework 4

DLSYS = "github.com/dlsyscourse/hw4 at f12d0b7, tests/hw4/test_conv.py"
# N, H = W, C_in, C_out, kernel, stride, padding of op_conv_shapes.
DLSYS_OP = [
    (3, 14, 8, 16, 3, 1, 0),
    (3, 14, 8, 16, 3, 1, 1),
    (3, 16, 8, 16, 3, 1, 2),
    (3, 16, 8, 14, 3, 1, 0),
    (3, 16, 2, 14, 3, 1, 0),
    (3, 14, 8, 16, 3, 2, 0),
    (3, 14, 8, 16, 3, 2, 1),
    (3, 16, 8, 16, 3, 2, 2),
    (3, 16, 8, 14, 3, 2, 0),
    (3, 16, 2, 14, 3, 2, 0),
    (3, 16, 24, 14, 3, 1, 0),
    (3, 14, 8, 16, 5, 1, 0),
    (3, 17, 8, 16, 5, 1, 0),
    (3, 17, 1, 16, 5, 1, 0),
    (3, 17, 16, 1, 5, 1, 0),
    (3, 17, 16, 1, 1, 1, 0),
    (1, 14, 2, 2, 3, 1, 0),
]
# H = W, C_in, C_out, kernel, stride of conv_forward_params and conv_back_params.
DLSYS_FORWARD = [
    (4, 8, 16, 3, 1),
    (32, 8, 16, 3, 2),
    (32, 8, 8, 3, 2),
    (32, 16, 8, 3, 1),
    (32, 16, 8, 3, 2),
]
DLSYS_BACK = [
    (4, 1, 1, 3, 1),
    (14, 8, 16, 3, 1),
    (14, 8, 16, 3, 2),
    (14, 8, 8, 3, 1),
    (14, 8, 8, 3, 2),
    (14, 16, 8, 3, 1),
    (14, 16, 8, 3, 2),
]


def dlsys_op():
    cases = []
    for at, (n, side, c_in, c_out, k, stride, padding) in enumerate(DLSYS_OP):
        draw = np.random.RandomState(0).randn
        x = (draw(n, side, side, c_in) * 5).astype("f4").transpose(0, 3, 1, 2)
        weight = (draw(k, k, c_in, c_out) * 5).astype("f4").transpose(3, 2, 0, 1)
        cases.append(Conv(f"op-{at:02}", x, weight, zeros(weight), pair(stride), around(padding)))
    return cases


def dlsys_layer(name, n, parameters):
    """The order of draws depends on the solution; the distributions are those of the homework."""
    cases = []
    for at, (side, c_in, c_out, k, stride) in enumerate(parameters):
        draw = np.random.RandomState(0).uniform
        fan_in = c_in * k * k
        weight = draw(-1, 1, (k, k, c_in, c_out)).transpose(3, 2, 0, 1) * math.sqrt(6 / fan_in)
        bias = draw(-1, 1, c_out) / math.sqrt(fan_in)
        x = draw(0, 1, (n, c_in, side, side))
        arrays = [array.astype("f4") for array in (x, weight, bias)]
        cases.append(Conv(f"{name}-{at:02}", *arrays, pair(stride), around(k // 2)))
    return cases


def ones(shape):
    return np.ones(shape, "f4")


def dlsys_sum():
    return Suite(
        "dlsys-sum",
        f"{DLSYS}, test_op_conv, its check of outputs",
        "as published (numpy's seed 0), axes to NCHW; zero bias, as the operator has none",
        [Part("outputs", "sums differ by less than 0.1", ("sum:0.0,0.1",), dlsys_op())],
    )


def dlsys_all():
    gradients = with_gradients(dlsys_op(), ones)
    forward = dlsys_layer("layer", 10, DLSYS_FORWARD)
    backward = with_gradients(dlsys_layer("layer-back", 1, DLSYS_BACK), ones)
    return Suite(
        "dlsys-all",
        f"{DLSYS}, test_op_conv, test_nn_conv_forward, test_nn_conv_backward",
        "test_op_conv as published; the layer's data drawn here from the homework's distributions; "
        "the gradients are those of a sum",
        [
            *dlsys_sum().parts,
            Part(
                "gradients of test_op_conv",
                "norm of the difference below 0.01",
                norm(1e-2, gradients),
                gradients,
                blind=NO_BIAS,
            ),
            Part(
                "outputs of the layer",
                "norm of the difference below 0.001",
                norm(1e-3, forward),
                forward,
            ),
            Part(
                "gradients of the layer",
                "norm of the difference below 0.001",
                norm(1e-3, backward),
                backward,
            ),
        ],
    )


# All ones


def tinygrad_ones():
    weight = ones((32, 12, 3, 3))
    case = Conv("ones", ones((1, 12, 16, 32)), weight, zeros(weight), (2, 2), (1, 1, 1, 1))
    y = case.y()
    # What the test itself expects.
    assert (y[:, :, 1:-1, 1:-1] == 108).all() and (y[0, 0, 0, 0], y[0, 0, 0, 1]) == (48, 72)
    return Suite(
        "tinygrad-ones",
        "github.com/tinygrad/tinygrad at a9069c1, test/unit/test_conv.py, test_simple",
        "as published; zero bias, as the test has none",
        [
            Part(
                "outputs",
                "== everywhere (the test looks at less of the border)",
                ("exact",),
                [case],
            )
        ],
    )


# PyTorch's sample inputs

TORCH = "torch 2.15.0, torch/testing/_internal/common_methods_invocations.py, sample_inputs_conv2d"
# Shapes of x and of the weights, whether there is a bias, arguments.
OPINFO = [
    ((1, 3, 4, 4), (3, 3, 3, 3), True, {"stride": (2, 2), "padding": 2}),
    (
        (2, 4, 8, 8),
        (2, 2, 3, 3),
        True,
        {"stride": (3, 2), "padding": (2, 1), "groups": 2, "dilation": (4, 4)},
    ),
    ((1, 4, 5, 5), (1, 4, 2, 3), True, {"stride": 2, "padding": 1, "dilation": (2, 3)}),
    ((1, 4, 5, 5), (1, 4, 2, 3), True, {"stride": 2, "padding": 1, "dilation": (2, 3)}),
    ((1, 2, 4, 3), (4, 2, 3, 4), False, {"stride": 2, "padding": 1}),
    ((1, 4, 5, 5), (1, 4, 2, 3), True, {"stride": 2}),
    ((1, 4, 5, 5), (1, 4, 2, 3), True, {"padding": "same", "dilation": 3}),
    ((2, 4, 6, 6), (4, 1, 3, 3), True, {"groups": 4}),
    ((2, 4, 6, 6), (8, 1, 3, 3), True, {"groups": 4}),
    ((2, 4, 6, 6), (8, 1, 3, 3), False, {"groups": 4}),
    ((2, 4, 6, 6), (4, 1, 3, 3), True, {"groups": 4, "stride": (3, 2)}),
    ((2, 4, 6, 6), (4, 1, 3, 3), True, {"groups": 4, "padding": (1, 1)}),
    ((2, 4, 5, 5), (4, 1, 2, 2), True, {"groups": 4, "dilation": (2, 2)}),
    ((2, 4, 6, 5), (6, 2, 3, 2), True, {"groups": 2}),
    ((1, 4, 5, 5), (3, 4, 3, 3), False, {}),
]


def opinfo_cases():
    """The cases with a bias, and those without."""
    draw = rng("opinfo")
    cases = {True: [], False: []}
    for at, (x, weight, has_bias, arguments) in enumerate(OPINFO):
        # Each is also run unbatched: the same as a batch of 1.
        for n, form in ((x[0], "batched"), (1, "unbatched")):

            def drawn(*shape):
                # make_tensor's range for floats.
                return draw.uniform(-9, 9, shape).astype("f4")

            w = drawn(*weight)
            dilation = pair(arguments.get("dilation", 1))
            pad = arguments.get("padding", 0)
            if pad == "same":
                totals = [d * (k - 1) for d, k in zip(dilation, weight[2:], strict=True)]
                top, left = (total // 2 for total in totals)
                bottom, right = (total - total // 2 for total in totals)
                pad = (left, right, top, bottom)
            else:
                pad = around(pad)
            cases[has_bias].append(
                Conv(
                    f"{at:02}-{form}",
                    drawn(n, *x[1:]),
                    w,
                    drawn(weight[0]) if has_bias else zeros(w),
                    pair(arguments.get("stride", 1)),
                    pad,
                    dilation,
                    arguments.get("groups", 1),
                )
            )
    return cases[True], cases[False]


def opinfo(name, rule, rules):
    draw = rng("opinfo gradients")

    def upstream(shape):
        return draw.standard_normal(shape).astype("f4")

    biased, unbiased = opinfo_cases()
    return Suite(
        name,
        TORCH,
        "published shapes; numbers drawn here, uniform from -9 to 9 as make_tensor does; upstream "
        "gradients normal; a zero bias where the sample has none; PyTorch's tests use these samples "
        "with several rules, and this one is our choice",
        [
            Part("outputs", rule, rules, biased + unbiased),
            Part("gradients", rule, rules, with_gradients(biased, upstream)),
            Part(
                "gradients, no bias", rule, rules, with_gradients(unbiased, upstream), blind=NO_BIAS
            ),
        ],
    )


def opinfo_allclose():
    return opinfo(
        "opinfo-allclose",
        "torch.allclose(found, expected), default rtol 1e-5, atol 1e-8",
        allclose(1e-5, 1e-8),
    )


def opinfo_assert_close():
    return opinfo(
        "opinfo-assert-close",
        "torch.testing.assert_close, float32's default rtol 1.3e-6, atol 1e-5",
        allclose(1.3e-6, 1e-5),
    )


# KernelBench

# Problem of level 1, C_in, C_out, kernel, groups, whether it has a bias, the map here, arguments.
# The published maps have 128 to 1024 a side, all multiples of 16. So have these, in the same order
# of height and width.
KERNELBENCH = [
    (50, 3, 96, (11, 11), 1, True, (32, 32), {"stride": (4, 4), "pad": around(2)}),
    (55, 64, 128, (3, 3), 1, False, (16, 32), {}),
    (56, 64, 128, (5, 7), 1, False, (32, 16), {}),
    (62, 32, 64, (5, 9), 1, False, (16, 16), {}),
    (63, 16, 128, (3, 3), 1, False, (16, 16), {}),
    (80, 32, 64, (5, 9), 1, False, (32, 32), {"pad": around((2, 4)), "dilation": (2, 3)}),
    (82, 64, 64, (3, 3), 64, False, (16, 16), {}),
    (83, 8, 8, (3, 1), 8, False, (16, 16), {}),
    (84, 128, 128, (3, 3), 128, False, (16, 32), {}),
    (85, 128, 128, (3, 7), 128, False, (16, 32), {}),
    (87, 64, 128, (1, 1), 1, False, (16, 16), {}),
]


def kernelbench(name, commit, tolerance):
    draw = rng("kernelbench")
    cases = []
    for problem, c_in, c_out, kernel, groups, has_bias, map_, arguments in KERNELBENCH:
        bound = 1 / math.sqrt(c_in // groups * math.prod(kernel))

        def drawn(*shape, low=-bound, high=bound):
            # nn.Conv2d's initialization by default.
            return draw.uniform(low, high, shape).astype("f4")

        weight = drawn(c_out, c_in // groups, *kernel)
        bias = drawn(c_out) if has_bias else zeros(weight)
        # torch.rand.
        x = drawn(2, c_in, *map_, low=0, high=1)
        cases.append(Conv(f"level1-{problem}", x, weight, bias, groups=groups, **arguments))
    return Suite(
        name,
        f"github.com/ScalingIntelligence/KernelBench at {commit}, KernelBench/level1 and eval.py",
        "published channels, kernels and arguments; maps cut to 16 or 32 a side, batches to 2; numbers "
        "drawn here as the problems draw them; a zero bias where the problem has none; problem 86 is "
        "left out, as it is two convolutions",
        [
            Part(
                "outputs",
                f"torch.allclose(expected, found), rtol and atol {tolerance:g}",
                allclose_to_found(tolerance, tolerance),
                cases,
            )
        ],
    )


def kernelbench_old():
    return kernelbench("kernelbench-old", "4413094", 1e-2)


def kernelbench_new():
    return kernelbench("kernelbench-new", "423217d", 1e-4)


# MLX


def mlx_case(name, sizes, map_, kernel, stride, padding, dilation, groups, gradients):
    (n, c_in, c_out), normal = sizes, np.random.RandomState(0).normal
    scale = 1 / math.sqrt(kernel[0] * kernel[1] * c_in)

    def nchw(array):
        return array.astype("f4").transpose(0, 3, 1, 2)

    x = nchw(normal(0, scale, (n, *map_, c_in)))
    weight = nchw(normal(0, scale if gradients else 1, (c_out, *kernel, c_in // groups)))
    case = Conv(name, x, weight, zeros(weight), stride, around(padding), dilation, groups)
    if gradients:
        n, c, h, w = case.output_shape()
        case.grad_output = nchw(normal(0, scale, (n, h, w, c)))
    return case


def mlx():
    few = [
        ((1, 1), (1, 1), (1, 1), (0, 0)),
        ((3, 3), (3, 1), (1, 1), (0, 0)),
        ((31, 31), (5, 5), (5, 5), (2, 2)),
    ]
    sizes = [(1, 1, 1), (1, 6, 1), (1, 1, 6), (4, 32, 64)]
    jobs = [(size, *one, (1, 1), 1) for size in sizes for one in few]
    jobs += [((4, 32, 64), *one, (1, 1), groups) for one in few for groups in (1, 2, 4, 8, 16, 32)]
    forward = [mlx_case(f"forward-{at:02}", *job, False) for at, job in enumerate(jobs)]
    more = [(*one, (1, 1)) for one in few] + [
        ((32, 32), (3, 3), (2, 2), (1, 1), (1, 1)),
        ((31, 31), (5, 5), (5, 5), (2, 2), (3, 2)),
        ((32, 32), (3, 3), (2, 2), (1, 1), (3, 2)),
    ]
    jobs = [(size, *one, 1) for size in [*sizes, (4, 16, 32)] for one in more]
    jobs += [
        ((4, 32, 32), (32, 32), (3, 3), (2, 2), (1, 1), (1, 1), groups) for groups in (2, 4, 32)
    ]
    backward = [mlx_case(f"backward-{at:02}", *job, True) for at, job in enumerate(jobs)]
    rule, rules = (
        "numpy.allclose(expected, found), rtol 1e-5, atol 1e-5",
        allclose_to_found(1e-5, 1e-5),
    )
    return Suite(
        "mlx-2d",
        "github.com/ml-explore/mlx at 846d176, python/tests/test_conv.py: test_torch_conv_2D and "
        "test_torch_conv_2D_grad",
        "as published in float32 (numpy's seed 0), axes to NCHW; zero bias, as the operator has none",
        [
            Part("outputs", rule, rules, forward),
            Part("gradients", rule, rules, backward, blind=NO_BIAS),
        ],
    )


# burn

# N, C_in, C_out, kernel, padding, stride, dilation, groups, map.
BURN_FORWARD = [
    (1, 2, 2, (3, 3), (1, 1), (1, 1), (1, 1), 1, (4, 4)),
    (1, 1, 16, (4, 4), (1, 1), (1, 1), (1, 1), 1, (5, 5)),
    (1, 3, 16, (3, 3), (1, 1), (1, 1), (1, 1), 1, (4, 4)),
    (1, 2, 16, (3, 3), (1, 1), (1, 1), (1, 1), 2, (4, 4)),
    (1, 2, 32, (3, 3), (1, 1), (1, 1), (1, 1), 2, (2, 2)),
    (1, 2, 32, (1, 8), (0, 4), (1, 1), (1, 1), 2, (1, 2)),
    (1, 2, 2, (3, 3), (0, 0), (1, 1), (1, 1), 2, (5, 5)),
    (1, 4, 4, (3, 3), (0, 0), (1, 1), (1, 1), 2, (5, 5)),
    (2, 3, 4, (3, 2), (1, 2), (2, 3), (1, 2), 1, (4, 5)),
]
BURN_BACKWARD = [
    (2, 2, 2, (3, 3), (1, 1), (1, 1), (1, 1), 1, (4, 4)),
    (2, 2, 3, (3, 3), (1, 1), (1, 1), (1, 1), 1, (4, 4)),
    (1, 2, 2, (3, 4), (1, 1), (1, 1), (1, 1), 1, (4, 4)),
    (1, 2, 2, (3, 3), (1, 2), (1, 1), (1, 1), 1, (4, 4)),
    (1, 2, 2, (3, 3), (1, 1), (1, 1), (1, 1), 1, (4, 5)),
    (1, 2, 2, (3, 3), (1, 1), (2, 2), (1, 1), 1, (6, 6)),
    (1, 2, 2, (3, 3), (1, 1), (3, 1), (1, 1), 1, (8, 8)),
    (1, 2, 2, (3, 3), (1, 1), (1, 1), (2, 2), 1, (6, 6)),
    (1, 2, 2, (3, 3), (1, 1), (1, 1), (2, 3), 1, (6, 6)),
    (1, 2, 2, (3, 3), (0, 0), (1, 1), (1, 1), 2, (5, 5)),
    (1, 4, 4, (3, 3), (1, 1), (2, 2), (1, 1), 4, (4, 4)),
    (1, 3, 6, (3, 3), (0, 0), (1, 1), (1, 1), 3, (4, 4)),
    (1, 2, 3, (2, 3), (1, 2), (1, 2), (2, 3), 1, (4, 5)),
    (1, 4, 2, (3, 3), (0, 0), (2, 2), (1, 1), 2, (4, 4)),
]


def counted(*shape):
    return np.arange(math.prod(shape)).astype("f4").reshape(shape)


def burn_cases(name, rows):
    return [
        Conv(
            f"{name}-{at:02}",
            counted(n, c_in, *map_),
            counted(c_out, c_in // groups, *kernel),
            counted(c_out),
            stride,
            around(padding),
            dilation,
            groups,
        )
        for at, (n, c_in, c_out, kernel, padding, stride, dilation, groups, map_) in enumerate(rows)
    ]


def burn():
    return Suite(
        "burn",
        "github.com/tracel-ai/burn at 2c06be3, crates/burn-backend-tests/tests: "
        "tensor/float/module/conv2d.rs and autodiff/conv2d.rs",
        "as published: 0, 1, 2, ... in x, weights and bias, upstream gradients 1; the one test with a "
        "batch norm after it is left out",
        [
            Part(
                "outputs",
                "burn's Tolerance, relative 0.005, absolute 1e-5",
                larger_of_two(0.005, 1e-5),
                burn_cases("forward", BURN_FORWARD),
            ),
            Part(
                "gradients",
                "burn's Tolerance, relative 0.01, absolute 0.01",
                larger_of_two(0.01, 0.01),
                with_gradients(burn_cases("backward", BURN_BACKWARD), ones),
            ),
        ],
    )


# Tensara


def tensara():
    draw = rng("tensara")
    cases = []
    for kernel in (9, 11, 13, 31, 63, 127):
        x, weight = (draw.uniform(-1, 1, (1, 1, side, side)).astype("f4") for side in (64, kernel))
        cases.append(Conv(f"kernel-{kernel}", x, weight, zeros(weight), pad=around(kernel // 2)))
    return Suite(
        "tensara",
        "github.com/tensara/problems at 32e682c, problems/conv-2d/def.py",
        "published kernels; maps cut from 1024 to 16384 a side to 64; numbers drawn here as the problem "
        "draws them; zero bias, as the problem has none",
        [
            Part(
                "outputs",
                "torch.allclose(found, expected), rtol 2e-4, atol 1e-3",
                allclose(2e-4, 1e-3),
                cases,
            )
        ],
    )


# triform's own


def triform(name, op, rule="exact", said="=="):
    options = f"--op {op} --kind integers,gradients,specials"
    return Suite(
        name,
        f"triform cases {options}",
        "as written, seed 0; the kinds floats and training have bounds instead of a rule",
        [Part("integers, gradients, specials", said, (rule,), command=tuple(options.split()))],
    )


def triform_conv():
    return triform("triform-conv", "conv")


def triform_conv_sum():
    """The same cases by sums alone: what that rule costs, whatever the data."""
    return triform("triform-conv-sum", "conv", "sum:0,0", "sums are equal")


def triform_block():
    return triform("triform-block", "block")


ALL = [
    onnx_node,
    onnx_pytorch,
    dlsys_sum,
    dlsys_all,
    tinygrad_ones,
    opinfo_allclose,
    opinfo_assert_close,
    kernelbench_old,
    kernelbench_new,
    mlx,
    burn,
    tensara,
    triform_conv,
    triform_conv_sum,
    triform_block,
]
