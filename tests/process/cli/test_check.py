"""`ringmain check`: fine, or everything that is wrong with an exit code that tells which kind."""

import json
from pathlib import Path

import pytest
from command_line import APP, Ringmain


def test_what_is_fine_is_said_in_one_line(call: Ringmain) -> None:
    done = call("check", "shop.toml")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("shop.toml: fine; orders:app fits its routes and channels (orders)\n")


def test_as_json_the_whole_config_is_printed_with_its_secrets_masked(call: Ringmain) -> None:
    done = call("check", "shop.toml", "--json", "--set", "routes.orders.handlers=3")
    found = json.loads(done.stdout)
    assert found["ok"] is True
    assert found["config"]["routes"]["orders"]["handlers"] == 3
    assert found["config"]["kafka"]["ssl.key.password"] == "***"
    assert "hunter2" not in done.stdout


def test_all_problems_of_a_config_are_printed_and_the_exit_code_is_3(call: Ringmain) -> None:
    done = call("check", "shop.toml", "--set", "nam=1", "--set", "queues.backend=x")
    assert (done.returncode, done.stdout) == (3, "")
    assert [line.split(": ")[-2:][0] for line in done.stderr.splitlines()] == ["nam", "queues.backend"]


def test_problems_as_json(call: Ringmain) -> None:
    done = call("check", "shop.toml", "--json", "--set", "stop_s=x")
    assert done.returncode == 3
    problem = {"where": "--set stop_s", "key": "stop_s"}
    [found] = json.loads(done.stdout)["problems"]
    assert {key: found[key] for key in problem} == problem


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("kafka.bootstrap.server=x", "kafka.bootstrap.server: No such configuration property"),
        ("kafka.fetch.min.bytes=many", "kafka.fetch.min.bytes: "),
        (
            "kafka.enable.auto.commit=true",
            "kafka.enable.auto.commit: is ringmain's own, remove it: offsets are committed only",
        ),
        ("kafka.ssl.ca.location=/none", "routes.orders.kafka: "),
    ],
)
def test_librdkafkas_own_word_is_passed_on_with_the_place(call: Ringmain, setting: str, said: str) -> None:
    settings = ["--set", setting, "--set", "kafka.security.protocol=ssl"]
    done = call("check", "shop.toml", *settings)
    assert done.returncode == 3
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_property_of_the_file_has_its_line(call: Ringmain, folder: Path) -> None:
    file = folder / "shop.toml"
    file.write_text(file.read_text().replace("group.id", 'group.name = "x"\ngroup.id'))
    assert call("check", "shop.toml").stderr.startswith("ringmain: shop.toml:7: kafka.group.name: No such")


def test_without_the_environment_references_are_left(call: Ringmain, folder: Path) -> None:
    file = folder / "shop.toml"
    file.write_text(file.read_text().replace("${PASSWORD:-hunter2}", "${NOBODY_SET_THIS}"))
    assert call("check", "shop.toml").returncode == 3
    assert call("check", "--no-env", "shop.toml").returncode == 0


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("import nothing_like_this", "No module named 'nothing_like_this'"),
        ("def f(:", "SyntaxError"),
        ("1 / 0", "orders.py:1"),
        ("import sys; sys.exit(0)", "SystemExit"),
        ("import os; os._exit(7)", "ended the process with exit code 7"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended the process by SIGSEGV"),
        ("x = 1", "'app'"),
        ("app = 1", "not a ringmain.App"),
        ("from ringmain import App\napp = App()", "route 'orders' is in the config but has no handler"),
        (APP + "@app.route('more')\ndef more(x: dict) -> None: ...\n", "route 'more' is not in the config"),
        (APP.replace("order: dict", "order"), "has no annotation on 'order'"),
        (APP.replace("order: dict", "a: dict, b: dict, c: dict"), "the handler of route 'orders' is"),
    ],
)
def test_an_app_that_does_not_fit_is_exit_code_4_and_hurts_nobody(
    call: Ringmain, folder: Path, app: str, said: str
) -> None:
    (folder / "orders.py").write_text(app)
    done = call("check", "shop.toml")
    assert (done.returncode, done.stdout) == (4, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    as_json = call("check", "--json", "shop.toml")
    assert as_json.returncode == 4
    assert said in json.loads(as_json.stdout)["problems"][0]["message"]


def test_every_function_that_cannot_be_one_is_named_at_once(call: Ringmain, folder: Path) -> None:
    wrong = APP.replace("order: dict", "order")
    line = 1 + [text.startswith("@app.route") for text in wrong.splitlines()].index(True)
    more = (
        "@app.route('more')\ndef more(x: dict) -> int: ...\n"
        "@app.on_start\ndef begin(needs) -> None: ...\n"
        "@app.middleware\ndef around() -> None: ...\n"
    )
    (folder / "orders.py").write_text(wrong + more)
    done = call("check", "--json", "shop.toml")
    assert done.returncode == 4
    said = [problem["message"] for problem in json.loads(done.stdout)["problems"]]
    assert len(said) == 4, said
    assert f"orders.py:{line}: " in said[0]
    assert "has no annotation on 'order'" in said[0]
    named = zip(("route 'more'", "on_start", "middleware"), said[1:], strict=True)
    assert [one for word, one in named if word not in one] == []
    (folder / "orders.py").write_text(wrong + more + "1 / 0\n")
    assert "ZeroDivisionError" in call("check", "shop.toml").stderr.splitlines()[-1]


def test_an_app_that_prints_does_not_spoil_the_answer(call: Ringmain, folder: Path) -> None:
    (folder / "orders.py").write_text("print('hello', flush=True)\nimport os\nos.write(1, b'raw')\n" + APP)
    done = call("check", "--json", "shop.toml")
    assert json.loads(done.stdout)["ok"] is True
    assert "hello" in done.stderr


def test_modules_of_the_current_directory_are_not_picked_up(call: Ringmain, folder: Path) -> None:
    (folder / "msgspec.py").write_text("raise SystemExit('the wrong msgspec')")
    config = folder / "elsewhere"
    config.mkdir()
    for name in ("shop.toml", "orders.py"):
        (folder / name).rename(config / name)
    assert call("check", "elsewhere/shop.toml").returncode == 0


def test_run_refuses_what_check_refuses_with_the_same_codes(call: Ringmain, folder: Path) -> None:
    assert call("run", "shop.toml", "--set", "kafka.no.such.thing=1").returncode == 3
    assert call("run", "shop.toml", "--set", "admin.bind=0.0.0.0:8100").returncode == 3
    (folder / "orders.py").write_text("app = 1")
    done = call("run", "shop.toml")
    assert done.returncode == 4
    assert "Traceback" not in done.stderr


CHANNEL = """
@app.channel("orders", "express")
def express(order: dict) -> None: ...
"""


def test_channels_and_their_handlers_are_named_where_the_other_is_missing(
    call: Ringmain, folder: Path
) -> None:
    (folder / "orders.py").write_text(APP + CHANNEL)
    done = call("check", "shop.toml")
    assert done.returncode == 4
    [said] = done.stderr.splitlines()
    assert said.endswith("channel 'express' of route 'orders' is not in the config; "
                         "add [routes.orders.channels.express]")  # fmt: skip
    done = call("check", "shop.toml", "--set", "routes.orders.channels.expres.handlers=1")
    assert done.returncode == 4
    assert "channel 'expres' of route 'orders' is in the config but has no handler" in done.stderr
    assert "did you mean 'expres'?" in done.stderr
    done = call("check", "shop.toml", "--set", "routes.orders.channels.express.handlers=1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("(orders, orders.express)\n")
