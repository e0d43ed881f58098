"""Images of the engine as archives on disk, written side by side while something else goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

from loadlab.errors import ClusterError
from loadlab.execute.lab.engine import DockerEngine
from loadlab.execute.lab.program import Begun

SAVE_S = 900.0

References = tuple[str, ...]


class Archives:
    """One archive for each set of images; what they have in common is in it once. Leaving the context removes all."""

    def __init__(self, engine: DockerEngine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder
        self._begun: dict[References, tuple[Path, Begun]] = {}

    def __enter__(self) -> Archives:
        shutil.rmtree(self._folder, ignore_errors=True)
        return self

    def __exit__(self, *_: object) -> None:
        for _path, saving in self._begun.values():
            saving.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def begin(self, references: References) -> None:
        """Begin to write the archive of these images; nothing when it has begun."""
        if references in self._begun:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{len(self._begun)}.tar"
        words = ("save", "--output", str(path), *references)
        self._begun[references] = (path, Begun(self._engine.program, *words))

    def whole(self, references: References) -> Path:
        """The archive, when it is complete. Raises ClusterError: it cannot be written."""
        self.begin(references)
        path, saving = self._begun[references]
        said = saving.ended(SAVE_S)
        if not said.is_good:
            raise ClusterError(
                f"docker save {' '.join(references)}: {said.last_lines(1)}; see that the disk has room and the images "
                "are whole (`docker image inspect`), then `make lab-up` goes on"
            )
        return path
