"""``python -m course``: the command line, where the ``carlib`` program is not on the path."""

import sys

from course.cli import main

sys.exit(main())
