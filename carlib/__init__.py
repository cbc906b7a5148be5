"""carlib: the helper package of the workbook."""
