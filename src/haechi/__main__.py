"""`python -m haechi`."""

from haechi.cli import main

raise SystemExit(main())
