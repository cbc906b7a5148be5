"""The exercises of part 1, the core: a module a lesson."""
