"""The synchronous stack: Flask under gunicorn's gthread workers. Start it with `python -m flask_gunicorn`."""
