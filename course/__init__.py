"""What runs the lessons: the command line and its commands. No lesson imports any of it."""
