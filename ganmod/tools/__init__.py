"""Programs for the command line: ``python -m ganmod.tools.im2rec`` and ``python -m ganmod.tools.rec2idx``."""
