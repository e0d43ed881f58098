"""The build context: a folder that plain ``docker build`` and ``podman build`` take as it is."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from loadlab.errors import ImageError
from loadlab.execute.images.content import Content
from loadlab.execute.images.ledger import saving

FILE_MODE = 0o644


def lay_out(content: Content, folder: Path) -> Path:
    """Make the folder hold exactly the content, readable for every user of the image.

    Raises:
        ImageError: the disk is full, or a file is not what it was when the tag was made of it.
    """
    with saving(folder):
        shutil.rmtree(folder, ignore_errors=True)
        for name, source in content.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(source, bytes):
                path.write_bytes(source)
            else:
                shutil.copyfile(source, path)
            path.chmod(FILE_MODE)
            if hashlib.sha256(path.read_bytes()).hexdigest() != content.sha256s[name]:
                raise ImageError(
                    f"{source if isinstance(source, Path) else name}: changed while the image was made of it; the tag "
                    "is of what it was: run the same again"
                )
        for path in (folder, *folder.rglob("*")):
            if path.is_dir():
                path.chmod(0o755)
    return folder
