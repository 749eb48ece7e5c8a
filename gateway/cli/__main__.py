"""`python -m gateway.cli`: the command `tillgate` by another door.

Law: nothing but that. Children of the process tree are started this way.
"""

from gateway.cli.main import main

if __name__ == "__main__":
    main()
