"""The asynchronous stack: FastAPI under one uvicorn process. Start it with `python -m fastapi_uvicorn`."""
