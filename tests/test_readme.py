"""The README: its Python runs from top to bottom, its commands are those that are tested, its links lead somewhere."""
import pathlib
import re
import shlex

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
README = (REPOSITORY / "README.md").read_text()
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")), REPOSITORY / "tests" / "README.md"]


def blocks(language):
    """The blocks of code in that language, each after as many empty lines as put it where it stands in the file."""
    for found in re.finditer(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL):
        yield "\n" * README.count("\n", 0, found.start(1)) + found[1]


def test_python_runs(tmp_path, monkeypatch, capsys):
    """The blocks are one program; an error names the line in README.md."""
    monkeypatch.chdir(tmp_path)
    program = {}
    for block in blocks("python"):
        exec(compile(block, str(REPOSITORY / "README.md"), "exec"), program)
    printed = capsys.readouterr().out
    for said in ("did you mean 'num_filter'?", "(32, 9)", "bind()"):
        assert said in printed


def test_the_generator_learns(tmp_path, monkeypatch):
    """The loop of the tour changes the generator, and after five passes its points lie about the circle."""
    monkeypatch.chdir(tmp_path)
    prepare, bind, loop = list(blocks("python"))[:3]
    program = {}
    exec(prepare + "\n" + bind, program)
    before = {name: array.asnumpy() for name, array in program["generator"].get_params()[0].items()}
    for _ in range(5):
        exec(loop, program)
    after = program["generator"].get_params()[0]
    assert all((before[name] != after[name].asnumpy()).any() for name in before)
    radius = (program["fake"][0].asnumpy() ** 2).sum(axis=1) ** 0.5
    assert 0.7 < radius.mean() < 1.3


def test_commands():
    """There are two, each on one line; the second is the one that CI runs."""
    run, test = (block.strip() for block in blocks("sh"))
    assert "\n" not in run + test
    assert (REPOSITORY / ".ci" / "run").read_text().splitlines()[-1] == test
    assert (REPOSITORY / shlex.split(run)[-1]).exists()
    assert run.split(" && ")[0] == test.split(" && ")[0] == "python3 -m venv .venv"
    assert "-c constraints.txt" in run and "-c constraints.txt" in test


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target
