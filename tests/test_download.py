"""A file of others is downloaded once, is the one that was meant, and comes with its licence."""

import sys
import threading
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from torchmass.datasets import download

DATA = b"1.0 0.5\n0.5 1.0\n"
SUM = sha256(DATA).hexdigest()


class Quiet(SimpleHTTPRequestHandler):
    """Files of a folder, without a line for each."""

    def log_message(self, *args):
        """Says nothing."""


@pytest.fixture
def url(tmp_path):
    """A file on a server of this machine."""
    pytest.importorskip("pooch")
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "weights.txt").write_bytes(DATA)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=shared)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/weights.txt"
        server.shutdown()
        thread.join()


def test_a_file_is_downloaded_once_and_is_the_one_that_was_meant(url, tmp_path):
    first = download(url, SUM, licence="CC0 1.0", folder=tmp_path / "cache")
    assert first.read_bytes() == DATA
    (tmp_path / "shared" / "weights.txt").unlink()
    assert download(url, SUM.upper(), licence="CC0 1.0", folder=tmp_path / "cache") == first


def test_without_a_folder_it_lies_in_the_cache_of_the_user(url, tmp_path, monkeypatch):
    pooch = pytest.importorskip("pooch")
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / project)
    assert download(url, SUM, licence="CC0 1.0").parent == tmp_path / "torchmass" / "datasets"


def test_the_licence_and_what_to_cite_are_shown_before_a_file_is_downloaded(url, tmp_path, capsys):
    with pytest.raises(OSError):  # noqa: PT011, whatever requests says of a page that is missing
        download(url + ".none", SUM, licence="CC BY 4.0", citation="A. Author 2020", folder=tmp_path / "cache")
    assert capsys.readouterr().out == f"{url}.none\nlicence: CC BY 4.0\nplease cite: A. Author 2020\n"
    for shown in (True, False):
        download(url, SUM, licence="CC BY 4.0", folder=tmp_path / "cache")
        assert ("licence: CC BY 4.0" in capsys.readouterr().out) == shown


def test_another_file_than_was_meant_is_deleted(url, tmp_path):
    with pytest.raises(ValueError, match="does not match the known hash"):
        download(url, "0" * 64, licence="CC0 1.0", folder=tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_file_that_was_changed_is_downloaded_again(url, tmp_path):
    path = download(url, SUM, licence="CC0 1.0", folder=tmp_path / "cache")
    path.write_bytes(b"2.0")
    assert download(url, SUM, licence="CC0 1.0", folder=tmp_path / "cache").read_bytes() == DATA


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sha256": "1234"}, "sha256 must be the 64 hexadecimal digits.*got '1234'"),
        ({"licence": " "}, "licence must say on which terms http://host/file may be used"),
    ],
)
def test_a_checksum_or_a_licence_that_is_none_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        download(**{"url": "http://host/file", "sha256": SUM, "licence": "CC0 1.0", **values})


def test_a_missing_pooch_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"download needs pooch: pip install 'torchmass\[data\]'"):
        download("http://host/file", SUM, licence="CC0 1.0")
