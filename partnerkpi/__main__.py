"""`python -m partnerkpi` is the command `partnerkpi`."""

from partnerkpi.cli import main

if __name__ == "__main__":
    main()
