"""Text tables as devices and spreadsheets write them: cells, numbers, times."""
