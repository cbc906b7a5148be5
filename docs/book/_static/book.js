// A page that is opened as a file may not read other files, so a search shows titles without text.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
