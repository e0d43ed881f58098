"""What the services under test share, apart from any web framework: settings, metrics and the work itself."""
