"""docs/own_loop.md: its code is one program, it learns, and what it says besides is true."""
import pathlib
import re

import numpy as np

from ganmod import gan

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "own_loop.md"


def test_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text, program = PAGE.read_text(), {}
    for found in re.finditer(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
        code = "\n" * text.count("\n", 0, found.start(1)) + found[1]       # an error names the line of the page
        exec(compile(code, str(PAGE), "exec"), program)
    assert len(capsys.readouterr().out.splitlines()) == 4
    drawn = program["drawn"].reshape(4, 100, 2)
    distance = np.linalg.norm(drawn[:, :, None] - program["centres"], axis=-1)
    nearest = distance.argmin(-1)
    assert ((nearest == np.arange(4)[:, None]).mean(1) > 0.9).all()
    assert np.linalg.norm(drawn.mean(1) - program["centres"], axis=1).max() < 0.8

    points = program["generator"].get_outputs()[0]
    gradient = program["keep_apart"](points)
    sign = np.sign(points.asnumpy()[:32] - points.asnumpy()[32:]) / 64
    np.testing.assert_allclose(gradient.asnumpy(), np.concatenate([-sign, sign]), rtol=1e-6)

    second, batch = program["second"], program["batch"]
    before = second._exec_group.grad_arrays[0][0].asnumpy()
    gan.gradient_penalty(second, gan.interpolate(batch.data[0], points), output="b_score_output")
    assert (second._exec_group.grad_arrays[0][0].asnumpy() != before).any()
    first = program["first"]
    first.backward([gan.losses.hinge_generator(first.get_outputs()[0]).gradient, program["ignored"]])
    expected = first.get_input_grads()[0].asnumpy()
    first.backward([gan.losses.hinge_generator(first.get_outputs()[0]).gradient, program["ignored"]], wanted="inputs")
    np.testing.assert_allclose(first.get_input_grads()[0].asnumpy(), expected, rtol=1e-6)
