"""Reports from stored results: tables, figures, one HTML page to share, one to keep, and Markdown. No torch."""
