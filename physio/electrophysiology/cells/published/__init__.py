"""Published membrane models, one a file, as printed or as their authors run them."""
