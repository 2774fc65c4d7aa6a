"""The bundled servers: started when nobody gives an address, shared, and never left behind."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from app.embedded import Embedded, Urls
from app.servers.process import ServerError
from tests.support.processes import eventually, kill, processes_of

QUICK = {"fsync": "off"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all tests here: preparing a cluster is the slow part."""
    return tmp_path_factory.mktemp("embedded")


@pytest.fixture
def servers(folder: Path) -> Iterator[Embedded]:
    embedded = Embedded(folder, postgres_options=QUICK)
    embedded.start()
    yield embedded
    embedded.stop()


def _answer(urls: Urls) -> bool:
    with psycopg.connect(urls.database_url.replace("+psycopg", "")) as connection:
        connection.execute("SELECT 1")
    with redis.Redis.from_url(urls.redis_url) as client:
        return bool(client.ping())


def test_both_servers_answer_at_their_addresses(servers: Embedded) -> None:
    assert _answer(servers.urls())


def test_stopping_leaves_no_process(folder: Path) -> None:
    embedded = Embedded(folder, postgres_options=QUICK)
    embedded.start()
    assert processes_of(folder)
    embedded.stop()
    assert processes_of(folder) == {}


def test_a_second_caller_is_attached_and_does_not_stop_them(
    servers: Embedded, folder: Path
) -> None:
    guest = Embedded(folder)
    assert guest.start() == servers.urls()
    guest.stop()
    assert _answer(servers.urls())


def test_a_caller_that_may_not_start_them_finds_them_or_nothing(folder: Path) -> None:
    assert Embedded(folder).attach() is None
    owner = Embedded(folder, postgres_options=QUICK)
    urls = owner.start()
    assert Embedded(folder).attach() == urls
    owner.stop()


def test_killed_servers_are_started_again_on_the_same_port(servers: Embedded) -> None:
    before = servers.urls()
    with redis.Redis.from_url(before.redis_url) as client:
        client.set("kept", "yes")
        client.execute_command("WAITAOF", 1, 0, 5000)
    for pid in servers.pids():
        kill(pid)
    restarted: list[str] = []
    assert eventually(lambda: restarted.extend(servers.tend()) or len(restarted) == 2)
    assert sorted(restarted) == ["postgres", "valkey"]
    assert servers.urls() == before
    with redis.Redis.from_url(before.redis_url) as client:
        assert client.get("kept") == b"yes"


def test_a_server_that_cannot_start_for_a_while_comes_back_on_its_port(
    servers: Embedded, folder: Path
) -> None:
    before = servers.urls()
    needed = folder / "postgres" / "data" / "global"
    away = needed.rename(needed.with_name("away"))
    for pid in servers.pids():
        kill(pid)
    with pytest.raises(ServerError, match="PostgreSQL does not start"):
        eventually(lambda: servers.tend() and False)
    away.rename(needed)
    assert eventually(lambda: servers.tend() and _answer(servers.urls()))
    assert servers.urls() == before


def test_a_pid_file_whose_number_belongs_to_someone_else_is_no_obstacle(folder: Path) -> None:
    stale = folder / "postgres" / "data" / "postmaster.pid"
    stale.write_text("1\n/nowhere\n0\n5432\n\n127.0.0.1\n")
    embedded = Embedded(folder, postgres_options=QUICK)
    assert _answer(embedded.start())
    embedded.stop()


def test_an_owner_killed_with_sigkill_takes_the_servers_along(folder: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from app.embedded import Embedded;"
        "Embedded(Path(sys.argv[1])).start(); print('up', flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", program, folder], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"up\n"
    kill(owner.pid)
    owner.communicate()
    successor = Embedded(folder, postgres_options=QUICK)
    assert _answer(successor.start())
    assert successor.pids() == {pid for pid in processes_of(folder) if pid in successor.pids()}
    successor.stop()
    assert eventually(lambda: processes_of(folder) == {})


def test_nothing_is_started_beside_given_addresses(tmp_path: Path) -> None:
    embedded = Embedded(tmp_path, "postgresql+psycopg://elsewhere/x", "redis://elsewhere/0")
    assert embedded.start() == Urls("postgresql+psycopg://elsewhere/x", "redis://elsewhere/0")
    assert list(tmp_path.iterdir()) == []


def test_passwords_are_for_their_owner_only(servers: Embedded, folder: Path) -> None:
    secrets = [folder / "postgres.password", folder / "valkey" / "password"]
    assert [path.stat().st_mode & 0o077 for path in secrets] == [0, 0]


def test_nobody_gets_in_without_the_password(servers: Embedded) -> None:
    urls = servers.urls()
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(urls.database_url.replace("+psycopg", ""), password="wrong")
    port = urls.redis_url.rpartition(":")[2]
    with (
        redis.Redis.from_url(f"redis://127.0.0.1:{port}") as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()
