"""From a twin to one page, its tables and pictures."""
