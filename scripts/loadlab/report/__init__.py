"""From results.json to what people read: HTML, Markdown, JUnit, the terminal; and the display of a run at work."""
