"""`python -m wye`."""

from wye.cli import main

if __name__ == "__main__":
    main()
