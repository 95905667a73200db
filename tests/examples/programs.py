"""The examples as modules, run in this process with --dry-run."""
import importlib.util
import pathlib
import sys

import ganmod as mx

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "examples"


def load(name):
    """An example as a module of its own."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return program


def runner(name, monkeypatch):
    """A function that runs an example with --dry-run on the CPU; returns its exit status or message."""
    example = load(name)

    def run(out, *arguments):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", "--dry-run", "--ctx", "cpu", "--out", str(out),
                                          *map(str, arguments)])
        try:
            with mx.name.NameManager():                    # so that names do not count on from run to run
                example.main()
        except SystemExit as leaving:
            return leaving.code
        return 0
    run.example = example
    return run


def interrupt(monkeypatch, steps):
    """Have Ctrl-C pressed in the step of that number, counted from where a run begins or goes on."""
    class Listening:
        def __init__(self, noted):
            self.noted = noted

        def __enter__(self):
            original = mx.gan.Run.log

            def log(run, **losses):
                original(run, **losses)
                self.steps = getattr(self, "steps", 0) + 1
                if self.steps == steps:
                    self.noted.append(True)
            monkeypatch.setattr(mx.gan.Run, "log", log)

        def __exit__(self, *_):
            pass
    monkeypatch.setattr(mx.gan.run, "_listening", Listening)


def arrays_of(out):
    """The files of the latest checkpoint, but for the session's own, as bytes by name."""
    session = mx.gan.Session(out / "checkpoints")
    folder = session.checkpoints()[-1]
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "session"}
