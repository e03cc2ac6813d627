"""`python -m rtproxy`."""

from rtproxy.cli.main import main

main()
