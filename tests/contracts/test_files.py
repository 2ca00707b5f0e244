"""Every file store keeps files the same way."""

import hashlib
import io
from dataclasses import dataclass, replace
from uuid import uuid4

import httpx
import pytest

from schema.errors import BadInput, NotFound, Permanent, StoreUnavailable
from schema.settings import StorageSettings
from schema.storage import FsspecStore, content_path, open_storage
from tests.s3_server import ACCESS_KEY, REGION, SECRET_KEY, S3Server

pytestmark = pytest.mark.integration

BIG = bytes(range(256)) * 4096 * 7


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A store under test, and how to reach behind it."""

    store: FsspecStore
    s3: S3Server | None = None

    def damage(self, path: str) -> None:
        """Change a file without the store's knowledge."""
        self.store.fs.pipe_file(f"{self.store.root}/{path}", b"something else")


def bucket_settings(s3: S3Server, bucket: str, **changes: object) -> StorageSettings:
    given = StorageSettings(
        url=f"s3://{bucket}/some/prefix",
        endpoint=s3.endpoint,
        region=REGION,
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
    )
    return given.model_copy(update=changes)


@pytest.fixture(params=["folder", "bucket"])
def kept(request, tmp_path) -> Kept:
    if request.param == "folder":
        return Kept(store=open_storage(StorageSettings(url=(tmp_path / "files").as_uri())))
    s3 = request.getfixturevalue("s3")
    bucket = f"bucket-{uuid4().hex[:8]}"
    s3.make_bucket(bucket)
    return Kept(store=open_storage(bucket_settings(s3, bucket)), s3=s3)


@pytest.fixture
def store(kept: Kept) -> FsspecStore:
    return kept.store


@pytest.mark.parametrize("content", [b"", b"hello", BIG], ids=["nothing", "little", "much"])
@pytest.mark.parametrize("as_stream", [False, True], ids=["bytes", "stream"])
def test_content_is_found_under_its_checksum(store, content, as_stream):
    stored = store.put(io.BytesIO(content) if as_stream else content, mime_type="image/jpeg")
    sha256 = hashlib.sha256(content).hexdigest()
    assert (stored.sha256, stored.size, stored.path) == (sha256, len(content), f"{sha256[:2]}/{sha256[2:4]}/{sha256}")
    assert b"".join(store.read(stored.path, sha256=sha256)) == content
    assert store.exists(stored.path)
    assert store.info(stored.path).size == len(content)


def test_the_same_content_twice_is_one_file(store):
    first = store.put(b"hello", mime_type="text/plain")
    second = store.put(io.BytesIO(b"hello"), mime_type="text/plain")
    assert first == second
    assert [info.path for info in store.list(first.path[:2])] == [first.path]


def test_putting_again_makes_a_file_young_again(kept):
    stored = kept.store.put(b"hello", mime_type="text/plain")
    before = kept.store.info(stored.path).changed_ns
    if kept.store.local:
        import os

        os.utime(kept.store.local / stored.path, (1, 1))
    kept.store.put(b"hello", mime_type="text/plain")
    assert kept.store.info(stored.path).changed_ns >= before


def test_a_named_file_is_written_in_the_place_of_the_one_before(store):
    store.write("cold/2026/a.parquet", b"first")
    stored = store.write("cold/2026/a.parquet", io.BytesIO(b"second"))
    assert stored.sha256 == hashlib.sha256(b"second").hexdigest()
    with store.open("cold/2026/a.parquet") as file:
        file.seek(3)
        assert file.read() == b"ond"


def test_an_area_is_listed_in_order_and_no_other(store):
    for path in ("cold/b", "cold/a/x", "colder/c", "warm/d"):
        store.write(path, b"12345")
    assert [(info.path, info.size) for info in store.list("cold")] == [("cold/a/x", 5), ("cold/b", 5)]
    assert list(store.list("nothing/here")) == []


def test_what_is_not_there_is_said_so(store):
    store.check()
    missing = content_path("0" * 64)
    assert not store.exists(missing)
    store.delete(missing)
    for look in (store.open, store.read):
        with pytest.raises(NotFound, match=rf"file '{missing}' is not in (folder|bucket)"):
            look(missing)


def test_a_file_is_deleted(store):
    stored = store.put(b"hello", mime_type="text/plain")
    store.delete(stored.path)
    assert not store.exists(stored.path)


def test_a_damaged_file_is_noticed_when_asked(kept):
    stored = kept.store.put(b"hello", mime_type="text/plain")
    kept.damage(stored.path)
    assert b"".join(kept.store.read(stored.path)) == b"something else"
    with pytest.raises(Permanent, match=f"'{stored.path}' in .* is damaged"):
        list(kept.store.read(stored.path, sha256=stored.sha256))


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a//b", "a/../../b", "", "a\nb"])
def test_a_path_cannot_leave_the_store(store, path):
    with pytest.raises(ValueError, match="not a path within the storage"):
        store.write(path, b"x")


def test_writing_that_breaks_off_leaves_nothing(store):
    class Broken(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > 0:
                raise OSError(5, "the other side went away")
            return super().read(1024)

    store.check()
    with pytest.raises(StoreUnavailable):
        store.write("cold/a", Broken(b"x" * 4096))
    assert not store.exists("cold/a")
    assert list(store.list("cold")) == []


def test_a_signed_address_is_for_everybody_and_for_a_while(kept):
    stored = kept.store.put(b"hello", mime_type="image/jpeg")
    address = kept.store.url(stored.path, expires_s=60)
    if kept.s3 is None:
        assert address is None
        return
    answer = httpx.get(address)
    assert (answer.content, answer.headers["content-type"]) == (b"hello", "image/jpeg")
    assert httpx.get(address.partition("?")[0]).status_code == 403
    assert SECRET_KEY not in address


def test_a_checked_store_is_ready_and_left_as_it_was(store):
    store.check()
    store.check()
    assert list(store.list("cold")) == []


# What only one of them can get wrong


def test_a_bucket_that_is_missing_is_bad_input_at_start(s3):
    with pytest.raises(BadInput, match=r"bucket 'nowhere' at 127\.0\.0\.1:\d+ is not there: make it, or correct"):
        open_storage(bucket_settings(s3, "nowhere")).check()


@pytest.mark.parametrize(
    "wrong", [{"secret_key": "wrong-secret"}, {"access_key": "nobody"}], ids=["secret", "access key"]
)
def test_wrong_credentials_are_refused_by_a_sentence_without_them(s3, wrong):
    s3.make_bucket(bucket := f"bucket-{uuid4().hex[:8]}")
    store = open_storage(bucket_settings(s3, bucket, **wrong))
    with pytest.raises(BadInput, match=r"refuses us \(\w+\): correct storage\.access_key") as raised:
        store.check()
    assert not {"wrong-secret", SECRET_KEY} & set(str(raised.value).split())
    with pytest.raises(Permanent):
        store.put(b"hello", mime_type="text/plain")
    assert "wrong-secret" not in repr(bucket_settings(s3, bucket, **wrong))


def test_a_server_is_believed_by_its_certificate_only(s3):
    s3.make_bucket(bucket := f"bucket-{uuid4().hex[:8]}")
    settings = bucket_settings(s3, bucket, endpoint=s3.tls_endpoint, ca=s3.certificate)
    store = open_storage(settings)
    stored = store.put(b"hello", mime_type="text/plain")
    assert b"".join(store.read(stored.path)) == b"hello"
    stranger = open_storage(settings.model_copy(update={"ca": None}))
    with pytest.raises(BadInput, match=r"bucket '.*' at 127\.0\.0\.1:\d+ cannot be used \(SSLError\): correct"):
        stranger.check()


def test_a_bucket_that_vanished_is_not_taken_for_an_empty_one(s3):
    s3.make_bucket(bucket := f"bucket-{uuid4().hex[:8]}")
    store = open_storage(bucket_settings(s3, bucket))
    stored = store.put(b"hello", mime_type="text/plain")
    s3.drop_bucket(bucket)
    for use in (
        lambda: store.put(b"hello", mime_type="text/plain"),
        lambda: store.exists(stored.path),
        lambda: list(store.list(stored.path[:2])),
        lambda: store.read(stored.path),
    ):
        with pytest.raises(Permanent, match=f"bucket '{bucket}' at .* is not there"):
            use()


def test_a_server_that_is_away_is_unavailable_and_comes_back(s3, s3_door):
    s3.make_bucket(bucket := f"bucket-{uuid4().hex[:8]}")
    store = open_storage(bucket_settings(s3, bucket, endpoint=f"http://127.0.0.1:{s3_door.port}"))
    store.check()
    s3_door.shut()
    for use in (lambda: store.put(b"hello", mime_type="text/plain"), lambda: store.exists("a"), store.check):
        with pytest.raises(StoreUnavailable, match=rf"bucket '{bucket}' at 127\.0\.0\.1:\d+ did not answer"):
            use()
    s3_door.open()
    store.check()


def test_a_full_disk_is_waited_for(tmp_path, monkeypatch):
    import shutil

    def full(*_):
        raise OSError(28, "No space left on device")

    store = open_storage(StorageSettings(url=tmp_path.as_uri()))
    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(StoreUnavailable, match=f"folder {tmp_path} has no space left: make room"):
        store.put(io.BytesIO(b"hello"), mime_type="text/plain")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("url", ["ftp://host/x", "files", "s3://", "file://relative/x", "s3://key:secret@bucket/x"])
def test_an_address_of_another_kind_is_refused_without_repeating_it(url):
    with pytest.raises(BadInput, match=r"storage\.url is neither a folder nor a bucket: write it like") as raised:
        open_storage(StorageSettings(url=url))
    assert "secret" not in str(raised.value)


def test_a_folder_that_cannot_be_made_is_bad_input(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match=f"folder {tmp_path}/file/files does not take"):
        open_storage(StorageSettings(url=(tmp_path / "file/files").as_uri())).check()


def test_the_default_is_a_folder_of_the_home(tmp_path):
    from schema.settings import Settings

    assert open_storage(Settings(home=tmp_path).storage).local == tmp_path / "files"
    given = replace(open_storage(Settings(home=tmp_path, storage={"url": "file:///srv/x"}).storage))
    assert given.root == "/srv/x"
