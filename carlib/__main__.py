"""``python -m carlib``: the command line, where the ``carlib`` program is not on the path."""

import sys

from carlib.course.cli import main

sys.exit(main())
