"""`python -m gateway.cli`: the same as the command `tillgate`. Children are started this way."""

from gateway.cli.main import main

if __name__ == "__main__":
    main()
