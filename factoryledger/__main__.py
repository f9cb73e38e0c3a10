"""`python -m factoryledger`: the same as the command, for parts that run parts."""

from factoryledger.cli import main

if __name__ == "__main__":
    main()
