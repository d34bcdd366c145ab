from pathlib import Path

import pytest

from partnerkpi import shipped as module
from partnerkpi.errors import SystemProblem
from partnerkpi.shipped import shipped


def test_in_a_checkout_it_lies_beside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (shipped("data") / "book.toml").is_file()
    assert any(shipped("notebooks").glob("*.ipynb"))


def test_installed_it_lies_inside_the_package_whatever_stands_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "partnerkpi"
    (package / "_data").mkdir(parents=True)
    (tmp_path / "site-packages" / "data").mkdir()  # of some other distribution
    monkeypatch.setattr(module, "_PACKAGE", package)
    assert shipped("data") == package / "_data"


def test_what_is_missing_is_a_damaged_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PACKAGE", tmp_path / "partnerkpi")
    with pytest.raises(SystemProblem, match="Install the package again"):
        shipped("data")
