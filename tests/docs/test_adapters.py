"""The adapters' pages are made without MONAI and TorchIO, which the extra ``docs`` does not bring."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONF = Path(__file__).parents[2] / "python" / "docs" / "conf.py"
SMALL = """
import runpy, sys
from unittest import mock

names = {names}
beside = ("cases", "pages", "commands", "pictures")  # what writes and reads the other pages

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in names:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())  # Sphinx's mocks come before it
with mock.patch.dict(sys.modules, **{{one: mock.MagicMock() for one in beside}}):
    told = runpy.run_path({conf!r})
globals().update({{name: told[name] for name in {settings}}})
extensions = ["sphinx.ext.autodoc", "numpydoc"]

def setup(app):
    app.connect("autodoc-process-signature", told["signature_of_adapters"])
"""
SETTINGS = ["autodoc_mock_imports", "autodoc_typehints", "numpydoc_show_class_members"]
CLASSES = {
    "monai.FuseRatersd": (
        "(keys, *, output_key='consensus', method='soft-staple',",
        "Where the consensus goes",
    ),
    "monai.SoftenRatersd": ("(keys, image_key, *, roi_key=None,", "The image on which lesions are bright"),
    "torchio.FuseRaters": ("(raters, *, output='consensus', method='soft-staple',", "one more of its images"),
}


def test_pages_of_adapters(tmp_path: Path) -> None:
    """Signatures and texts are there without what the adapters are for; ``test_docs`` looks at the pages with it."""
    for needed in ("sphinx", "numpydoc", "latex2mathml"):
        pytest.importorskip(needed, reason="documentation is built with the extra docs")
    names = ["monai", "torchio"]
    (tmp_path / "conf.py").write_text(SMALL.format(names=names, conf=str(CONF), settings=SETTINGS))
    listed = "\n\n".join(f".. autoclass:: fastfuse.adapters.{name}" for name in CLASSES)
    (tmp_path / "index.rst").write_text(f"API\n===\n\n{listed}\n")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "text", tmp_path, tmp_path / "text"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    page = " ".join((tmp_path / "text" / "index.txt").read_text().split())
    for name, said in CLASSES.items():
        for part in said:
            assert part in page, (name, page)
