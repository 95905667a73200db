"""``python -m ganmod run script.py``."""
from .compat.run import main

if __name__ == "__main__":
    main()
