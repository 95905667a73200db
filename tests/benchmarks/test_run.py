"""benchmarks/run.py and what it is made of: the figures, the table, the page, and that all of it runs."""
import importlib
import json
import math
import pathlib
import subprocess
import sys
import types

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import ganmod

BENCHMARKS = pathlib.Path(__file__).resolve().parents[2] / "benchmarks"
IDLE = {"load_before": [0.0], "others": 0.0}


@pytest.fixture
def programs(monkeypatch):
    """The modules of benchmarks/, by name, which import each other as scripts do."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    names = ("arithmetic", "contest", "dcgan_step", "growth", "page", "rows", "run", "worker")
    return types.SimpleNamespace(**{name: importlib.import_module(name) for name in names})


def race(**seconds):
    """A contest's result; names have _ for -."""
    return {"seconds": {name.replace("_", "-"): found for name, found in seconds.items()}, "absent": {},
            "marks": {}, "versions": {}}


@pytest.fixture
def contests(programs):
    """Made-up results of every contest: MXNet is absent, ganmod takes 1 and 2 seconds in the loops, its peers 2."""
    found = {}
    for name in programs.rows.RACES:
        found[name] = race(ganmod_wanted=[1, 2, 1], ganmod=[2, 4, 2], torch=[2, 2, 2], torch_tuned=[1, 1, 1])
        found[name]["absent"] = dict.fromkeys(["mxnet", "mxnet-default"], "not installed")
        if name.startswith("inference"):
            found[name] = race(ganmod=[1, 1, 1], torch_tuned=[3, 2, 4])
    for width in programs.rows.WIDTHS:
        found[f"dcgan-{width}"]["seconds"].update(product=[0.5, 0.5, 0.5], convolution=[1, 1, 1])
        found[f"dcgan-{width}"]["gflop"] = {"ganmod-wanted": 80, "ganmod": 100, "product": 50, "convolution": 200}
        found[f"memory-{width}"] = {"mebibytes": {"ganmod-wanted": [90], "ganmod": [120], "torch": [100]}, "absent": {}}
    found["import"] = race(ganmod=[1.25, 1.5], torch=[1.0, 1.0])
    points = programs.growth.POINTS
    found["growth"] = {**race(), "gflop": {point.name: point.gflop for point in points},
                       "seconds": {point.name: [0.01 * point.gflop, 0.3 * point.gflop**0.5] for point in points}}
    return found


@pytest.fixture
def results(programs, contests):
    """What run.py writes as JSON, of those contests."""
    machine = {"cpu": "A CPU", "cores": 2, "threads": 2, "gpu": None, "date": "2020-02-29", "load_after": [1.5],
               "versions": {"torch": "2.0"}, **IDLE}
    return {"settings": {"rounds": 3}, "machine": machine, "contests": contests,
            "warnings": list(programs.rows.warnings(contests, machine))}


# -------------------------------------------------------------------------------------------------- the whole

def test_a_quick_run(programs, tmp_path):
    """It prints, and writes as JSON and as a page, every row; a row's figures are those of the contests."""
    done = subprocess.run([sys.executable, BENCHMARKS / "run.py", "--quick", "--threads", "1", "--out", tmp_path,
                           "--write-docs", tmp_path / "docs"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "performance.json").read_text())
    page = (tmp_path / "docs" / "performance.md").read_text()
    expected = {work for work, _ in programs.rows.RACES.values()}
    assert expected | {"import ganmod", "growth of the DCGAN loop's cost: exponent",
                       *(f"peak memory of the DCGAN loop, width {width}" for width in ("0.25", "1")),
                       *(f"DCGAN loop, width {width}: share of the rate" for width in ("0.25", "1"))} == {
        row["work"] for row in results["rows"]}
    for row in results["rows"]:
        assert f"\n{row['work']} " in done.stdout and f"\n| {row['work']} |" in page
        assert row["values"] or row["against"].startswith("MXNet") or "GPU" in row["work"], row
    assert not [warning for warning in results["warnings"] if "differ" in warning]
    seconds = results["contests"]["dense"]["seconds"]
    assert [row["values"] for row in results["rows"] if (row["work"], row["against"]) == (
        "dense GAN, batch 32", "plain torch")] == [[seconds["torch"][0] / seconds["ganmod-wanted"][0]]]
    for picture in (tmp_path / "performance.png", tmp_path / "docs" / "images" / "performance.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_results_are_shown_again(programs, results, tmp_path, monkeypatch, capsys):
    """--from prints and writes what a file holds, and starts nothing."""
    (tmp_path / "given.json").write_text(json.dumps(results))
    monkeypatch.setattr(sys, "argv", ["run.py", "--from", str(tmp_path / "given.json"), "--out", str(tmp_path / "out")])
    programs.run.main()
    assert "DCGAN loop, width 1: share of the rate" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "performance.json").read_text()) == results


# ------------------------------------------------------------------------------------------------ the figures

def test_ratios_and_spread(programs):
    assert programs.contest.ratios([2, 3, 4], [1, 2, 1]) == [2, 1.5, 4]
    assert programs.contest.spread([2, 1.5, 4], "{:.1f}") == "2.0 [1.5..4.0]"


@pytest.mark.parametrize("marks, agree", [
    ({}, True),
    ({"a": [0.5, 0.5], "b": [0.504, 0.5]}, True),
    ({"a": [0.5, 0.5], "b": [0.5, 0.51]}, False),
    ({"a": [0.5, 0.0], "b": [0.5, 0.0009]}, True),         # a verdict near 0 is compared with 0.1
])
def test_marks(programs, marks, agree):
    assert programs.contest.agree(marks) is agree


@pytest.mark.parametrize("width, batch, size", [(1 / 16, 4, 64), (1 / 16, 2, 32), (1 / 32, 2, 16)])
@pytest.mark.parametrize("library, loop, spare", [
    (torch, "tuned_loop", True), (ganmod, "wanted_loop", True), (ganmod, "module_loop", False)])
def test_arithmetic_is_what_torch_counts(programs, library, loop, spare, width, batch, size):
    """Each loop carries out exactly the products that it asks for, by torch's count of what is run."""
    step = getattr(programs.dcgan_step, loop)(library, width, batch, size)
    step()
    with FlopCounterMode(display=False) as counter:
        step()
    assert counter.get_total_flops() == pytest.approx(1e9 * programs.arithmetic.dcgan(width, batch, size, spare))


@pytest.mark.parametrize("what, size", [("product", 24), ("convolution", 3)])
def test_the_limits(programs, what, size):
    step = getattr(programs.arithmetic, f"{what}_loop")(torch, size)
    with FlopCounterMode(display=False) as counter:
        assert step() is None
    assert counter.get_total_flops() == pytest.approx(1e9 * getattr(programs.arithmetic, what)(size))


def test_shares(programs):
    """100 GFLOP in 2 seconds, beside a product of 30 GFLOP in half a second, is 50 of 60 GFLOP/s."""
    assert programs.arithmetic.shares([2.0], [0.5], 100, 30) == [pytest.approx(5 / 6)]


@pytest.mark.parametrize("exponent", [0.5, 1, 1.2])
def test_the_growth_of_a_power(programs, exponent):
    gflop = [point.gflop for point in programs.growth.POINTS]
    seconds = [0.02 * x**exponent for x in gflop]
    assert programs.growth.fit(gflop, seconds) == pytest.approx((exponent, 0.02))
    assert programs.growth.exponents(gflop, [[s, 7 * s] for s in seconds]) == pytest.approx([exponent, exponent])


def test_the_growth_is_a_line_of_least_squares(programs):
    rng = np.random.default_rng(0)
    gflop, seconds = rng.uniform(1, 100, (2, 10))
    slope, intercept = np.polyfit(np.log(gflop), np.log(seconds), 1)
    assert programs.growth.fit(gflop, seconds) == pytest.approx((slope, math.exp(intercept)))


# -------------------------------------------------------------------------------------------------- the table

def test_rows(programs, contests):
    found = {(row.work, row.against): row for row in programs.rows.rows(contests)}

    torch_row = found["DCGAN loop, width 0.25", "plain torch"]
    assert (torch_row.values, torch_row.beside, torch_row.verdict) == ([2, 1, 2], [1, 0.5, 1], "reached")
    assert torch_row.cells()[2:5] == ["≥ 1.40x", "2.00x [1.00..2.00]", "1.00x [0.50..1.00]"]
    assert found["DCGAN loop, width 1", "torch tuned by hand"].verdict == "NOT reached"

    mxnet = found["dense GAN, batch 32", "MXNet on all cores"]
    assert (mxnet.values, mxnet.verdict, mxnet.absent) == ([], "absent", "mxnet: not installed")

    alone = found["generator alone, width 1, batch 64", "torch tuned by hand"]
    assert (alone.values, alone.beside) == ([3, 2, 4], [])

    share = found["DCGAN loop, width 1: share of the rate", "a large torch.mm (100 GFLOP/s)"]
    assert (share.values, share.beside) == ([0.8, 0.4, 0.8], [0.5, 0.25, 0.5])
    assert share.cells()[2:4] == ["≥ 85%", "80% [40%..80%]"]
    share = found["DCGAN loop, width 1: share of the rate", "a large convolution (200 GFLOP/s)"]
    assert (share.values, share.verdict) == ([0.4, 0.2, 0.4], "not judged")

    memory = found["peak memory of the DCGAN loop, width 1", "plain torch"]
    assert (memory.values, memory.beside, memory.verdict) == ([0.9], [1.2], "reached")
    imported = found["import ganmod", "import torch"]
    assert imported.values == [0.25, 0.5] and imported.cells()[2:4] == ["≤ +0.30 s", "+0.38 s [+0.25..+0.50]"]
    assert imported.verdict == "NOT reached"
    growth = found["growth of the DCGAN loop's cost: exponent", "linear in the arithmetic"]
    assert growth.values == pytest.approx([1, 0.5])


def test_a_contender_that_died_leaves_its_row(programs, contests):
    """Also where it is ours, and where it is what others are measured by."""
    result = contests["dcgan-1"]
    for name in ("ganmod-wanted", "product", "convolution"):
        del result["seconds"][name]
        result["absent"][name] = "killed"
    contests["growth"].update(seconds={}, absent={"a point": "killed"})
    found = [row for row in programs.rows.rows(contests) if row.work.startswith(("DCGAN loop, width 1", "growth"))]
    assert {row.verdict for row in found if "GPU" not in row.work} == {"absent"}
    assert all("killed" in row.absent for row in found if "GPU" not in row.work)


@pytest.mark.parametrize("machine, warned", [
    (IDLE, False), ({**IDLE, "load_before": [1.5]}, True), ({**IDLE, "others": 0.7}, True)])
def test_a_busy_machine(programs, contests, machine, warned):
    assert any("not idle" in warning for warning in programs.rows.warnings(contests, machine)) is warned


def test_contenders_that_disagree(programs, contests):
    contests["dense"]["marks"] = {"ganmod": [0.5, 0.5], "torch": [0.6, 0.5]}
    warning, = programs.rows.warnings(contests, IDLE)
    assert warning.startswith("dense: ")


def test_the_page(programs, results):
    """It names the machine, who is absent and why, and has a line for every row and every point."""
    text = programs.page.text(results, "images/performance.png")
    lines = text.splitlines()
    assert "2020-02-29: A CPU, 2 cores, 2 threads, no GPU; torch 2.0. Load average 0.00 before and 1.50 after" in text
    assert "Warning" not in text and "](images/performance.png)" in text
    absent = next(line for line in lines if line.startswith("- Absent: mxnet, mxnet-default, from "))
    assert absent.endswith("(not installed)")
    for row in programs.rows.rows(results["contests"]):
        assert f"| {' | '.join(row.cells())} |" in lines
    for point in programs.growth.POINTS:
        assert any(line.startswith(f"| {point.name} |") for line in lines)
    assert not [line for line, after in zip(lines, lines[1:]) if line[:1].isalnum() and after[:1].isalnum()]


def test_the_page_warns(programs, results):
    results["warnings"] = ["nobody was there"]
    assert "\n\n**Warning:** nobody was there.\n\n|" in programs.page.text(results, "x.png")


# ------------------------------------------------------------------------------------------------ the contest

def test_turns_rotate(programs, capsys):
    asked = []
    answers = programs.contest.take_turns(dict(a=1, b=2, c=3), {}, 3, lambda one: asked.append(one) or 10 * one)
    assert answers == {"a": [10] * 3, "b": [20] * 3, "c": [30] * 3}
    assert asked == [1, 2, 3, 2, 3, 1, 3, 1, 2]


def test_a_contender_that_dies_is_absent(programs, capfd):
    """With the last thing that it said, at its start or on the way; the others go on."""
    def process(program):
        return lambda: programs.contest.Contender([sys.executable, "-c", program], 1)

    makers = {"never": process("raise SystemExit('no luck')"),
              "soon": process("import sys; print(1, flush=True); input(); sys.exit('worn out')"),
              "stays": process("print(1, flush=True)\nwhile True: print(input(), flush=True)")}
    with programs.contest.running(makers) as (there, absent):
        answers = programs.contest.take_turns(there, absent, 2, lambda one: one.ask(7))
    assert answers == {"stays": [7, 7]} and absent == {"never": "no luck", "soon": "worn out"}


def test_versions(programs, contests):
    assert "mxnet" not in programs.run.versions(contests, {"torch": "2"})
    contests["dense"]["versions"] = {"mxnet": {"version": "1.9"}, "torch-tuned": {"version": "2"}}
    found = programs.run.versions(contests, {"torch": "2"})
    assert found.pop("Python") and found == {"torch": "2", "mxnet": "1.9"}


def test_no_mxnet(programs, monkeypatch, tmp_path):
    monkeypatch.setenv("GANMOD_MXNET_PYTHON", str(tmp_path / "python"))
    result = programs.contest.hold(programs.dcgan_step.entries(["mxnet"], width=1, batch=1), rounds=1, iterations=1,
                                   warmup=1, threads=1)
    assert not result["seconds"] and "GANMOD_MXNET_PYTHON" in result["absent"]["mxnet"]


def test_threads(programs, monkeypatch):
    """Contenders are told how many to use, but for those that are to be as they come."""
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    program = "import json, os; print(json.dumps(os.environ.get('OMP_NUM_THREADS')))"
    assert programs.contest.told(program, 3) == "3" and programs.contest.told(program, None) is None
    monkeypatch.setattr(programs.contest, "python_of", lambda library: sys.executable)
    monkeypatch.setattr(programs.contest, "Contender", lambda command, threads: threads)
    entries = programs.dcgan_step.entries(["mxnet", "mxnet-default"])
    assert [programs.contest.contender(entry, 3) for entry in entries] == [3, None]


def test_memory_is_watched(programs):
    before = programs.worker.peak()
    held = np.ones(2**25, "float64")                       # 256 MiB
    assert programs.worker.peak() >= max(before, held.nbytes / 2**20)


def test_other_programs_are_watched(programs, monkeypatch):
    """In 10 seconds the machine worked 15, and this program 10 of them."""
    watch = programs.contest.Watch()
    began, now = (100.0, 50.0, 3.0), (110.0, 65.0, 13.0)
    monkeypatch.setattr(watch, "began", began)
    monkeypatch.setattr(programs.contest.Watch, "now", staticmethod(lambda: now))
    assert watch.others() == 0.5


def test_the_processors_are_counted(programs):
    """The clocks run, and the machine has worked at least as long as this process."""
    wall, machine, own = programs.contest.Watch.now()
    assert wall > 0 and own > 0 and (machine >= own - 0.1 or math.isnan(machine))
