"""What the demonstration shows, act by act. Every number on the screen is read from a run that was just made."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.base.clock import Clock, SystemClock
from evalkit.base.errors import EvalkitError
from evalkit.cli.demonstration.process import Done, model_server, request_count, run_command, start_command
from evalkit.cli.demonstration.project import SUITE
from evalkit.runner.plan import analysis_order
from evalkit.suite.items import read_items

__all__ = ["Demonstration"]

_METRIC = "correct"
_ENOUGH = 0.9
_SMALL = 40
_LOGGING_S = 90.0
_SLOW_MS = 40


@dataclass
class Demonstration:
    """One demonstration in one folder.

    Attributes:
        folder: the project, made by :func:`evalkit.cli.demonstration.project.make_project`.
        environ: the environment of its commands.
        say: prints a line.
        clock: for the time it took.
        logging: the process that logs to MLflow while the play goes on.
    """

    folder: Path
    environ: Mapping[str, str]
    say: Callable[[str], None]
    clock: Clock
    logging: subprocess.Popen[bytes] | None = None

    def play(self) -> None:
        """Play all acts.

        Raises:
            EvalkitError: a command did not end as its act says.
        """
        started = self.clock.monotonic()
        try:
            with model_server(folder=self.folder, environ=self.environ) as url:
                self.configure(url)
                self.say(f"The embedded model answers at {url}. Rules, not an LLM: for demonstration and tests.")
                base = self.same_prompt_twice()
                self.regression(base)
                self.mended()
                self.too_small()
            self.killed()
            self.logged()
        finally:
            if self.logging is not None and self.logging.poll() is None:
                os.killpg(self.logging.pid, signal.SIGKILL)  # it has a process of its own for the upload
                self.logging.wait()
        self.closing(self.clock.monotonic() - started)

    def logged(self) -> None:
        """Wait until the verdict of the regression is in MLflow, and say where."""
        if self.logging is None or self.logging.wait(timeout=_LOGGING_S) != 1:
            raise EvalkitError("the verdict was not logged to MLflow", hint="please report this")
        waiting = list((self.folder / ".evalkit/outbox").glob("*.json"))
        if waiting or not (self.folder / ".evalkit/mlflow.db").exists():
            raise EvalkitError("the verdict is still in the outbox", hint="`evalkit sync` in that folder says why")
        self.say(f"MLflow has the failed verdict: sqlite:///{self.folder}/.evalkit/mlflow.db")

    def configure(self, url: str) -> None:
        """Point the models called ``local/…`` at the server."""
        text = f'[models.local]\nkind = "openai"\nbase_url = "{url}"\nprice = {{input = 0.0, output = 0.0}}\n'
        (self.folder / "evalkit.toml").write_text(text, encoding="utf-8")

    def command(self, *words: str, expect: tuple[int, ...] = (0,), show: bool = True) -> Done:
        """Run a command, after printing it as a user would type it."""
        if show:
            self.say("$ evalkit " + " ".join(words))
        return run_command(*words, folder=self.folder, environ=self.environ, expect=expect)

    def title(self, number: int, text: str) -> None:
        """Print an act's title."""
        self.say(f"\n== {number}. {text}\n")

    def naive(self, base: float, candidate: float) -> None:
        """Say what a gate that compares two averages would have said."""
        word = "red" if candidate < base else "green"
        self.say(f"A plain pass-rate gate: {base:.3f} before, {candidate:.3f} after: {word}.")

    def same_prompt_twice(self) -> str:
        """Compare two independent draws of one prompt; return the run that had more luck."""
        self.title(1, "The same prompt, asked twice")
        runs = {}
        for draw in ("monday", "tuesday"):
            done = self.command("run", SUITE, "-c", "current", "--draw", draw, "--json")
            runs[draw] = done.json()
        means = {draw: _mean(body) for draw, body in runs.items()}
        lucky, other = sorted(means, key=lambda draw: -means[draw])
        self.say(f"Nothing was changed, and yet: {lucky} {means[lucky]:.3f}, {other} {means[other]:.3f} correct.")
        self.choose_margin()
        base, candidate = runs[lucky]["run"]["id"], runs[other]["run"]["id"]
        self.naive(means[lucky], means[other])
        done = self.command("compare", candidate, "--against", base)
        self.show(done)
        return str(base)

    def choose_margin(self) -> None:
        """Take the smallest margin with which an unchanged prompt has a good chance, as `evalkit plan` says."""
        done = self.command("plan", SUITE, "--against", "current", "-c", "mended", "--json")
        chances = next(metric for metric in done.json()["metrics"] if metric["metric"] == _METRIC)["chances"]
        fair = sorted(
            (float(chance["need"].split()[1]), chance["passes_unchanged"])
            for chance in chances
            if (chance["passes_unchanged"] or 0.0) >= _ENOUGH
        )
        if not fair:
            raise EvalkitError(
                "no margin gives an unchanged prompt a fair chance on this many items",
                hint="the model's noise is larger than shipped: undo the change to the suite or the prompts",
            )
        margin, chance = fair[0]
        path = self.folder / SUITE
        text, n = re.subn(
            rf"(\{{metric: {_METRIC}, rule: no_regression, margin: )[0-9.]+", rf"\g<1>{margin:g}", path.read_text()
        )
        if n != 1:
            raise EvalkitError(
                f"{SUITE} has no line `{{metric: {_METRIC}, rule: no_regression, margin: …}}`", hint="put it back"
            )
        path.write_text(text, encoding="utf-8")
        self.say(f"The plan: with margin {margin:g} an unchanged prompt passes with probability {chance:.0%}. Taken.")

    def regression(self, base: str) -> None:
        """Gate a prompt that lost an instruction."""
        self.title(2, "A shorter prompt that reads as well, and is worse")
        self.command("baseline", "accept", base, "--reason", "monday's prompt")
        done = self.command(
            "gate", SUITE, "-c", "shortened", "--draw", "wednesday", "--junit", "reports/junit.xml", "--no-mlflow",
            expect=(1,),
        )  # fmt: skip
        self.compared_naively()
        self.show(done)
        words = ("gate", SUITE, "-c", "shortened", "--draw", "wednesday", "--out", "reports/logged", "--quiet")
        self.logging = start_command(*words, folder=self.folder, environ=self.environ)
        self.say("Meanwhile the same verdict is logged to MLflow.")

    def mended(self) -> None:
        """Gate the prompt with the instruction put back."""
        self.title(3, "The instruction put back in other words")
        done = self.command("gate", SUITE, "-c", "mended", "--draw", "thursday", "--no-mlflow", expect=(0,))
        if "INCONCLUSIVE" in done.stdout:
            raise EvalkitError(f"the mended prompt did not pass:\n{done.stdout}", hint="undo the change to its prompt")
        self.compared_naively()
        self.show(done)

    def too_small(self) -> None:
        """Gate the mended prompt on a few items only."""
        self.title(4, f"The same on {_SMALL} items")
        suite = self.small_suite()
        done = self.command("gate", suite, "-c", "mended", "--draw", "friday", "--no-mlflow", expect=(0, 3))
        if "INCONCLUSIVE" not in done.stdout:
            raise EvalkitError(f"{_SMALL} items gave a verdict:\n{done.stdout}", hint="please report this")
        self.compared_naively("small")
        self.show(done)

    def small_suite(self) -> str:
        """Write the suite again over the first items of its seeded order; return its path."""
        path = self.folder / SUITE
        found = sorted((self.folder / "datasets/support_qa").glob("*.jsonl"))[-1]
        items = analysis_order([item for _, item in read_items(found)], 1)[:_SMALL]
        (self.folder / "suites/small.jsonl").write_text(
            "".join(json.dumps(item.model_dump(mode="json")) + "\n" for item in items), encoding="utf-8"
        )
        text = re.sub(r"^dataset: .*$", "dataset: {path: small.jsonl}\nbaseline: current", path.read_text(), flags=re.M)
        small = self.folder / "suites/small.yaml"
        small.write_text(text, encoding="utf-8")
        return "suites/small.yaml"

    def killed(self) -> None:
        """Kill a gate with SIGKILL in the middle and repeat the command; compare with one that was left alone."""
        self.title(5, "Killed in the middle")
        slow = ("--latency-ms", str(_SLOW_MS))
        words = ("gate", SUITE, "-c", "mended", "--draw", "saturday", "--no-mlflow")
        with model_server(*slow, folder=self.folder, environ=self.environ) as url:
            self.configure(url)
            self.say("$ evalkit " + " ".join(words))
            process = start_command(*words, folder=self.folder, environ=self.environ)
            total = len(list(read_items(sorted((self.folder / "datasets/support_qa").glob("*.jsonl"))[-1])))
            _wait_until(lambda: request_count(url) > total // 2 or process.poll() is not None)
            process.send_signal(signal.SIGKILL)
            code = process.wait()
            stored = self.stored_calls()
            before = request_count(url)
            if code != -signal.SIGKILL:
                raise EvalkitError(f"the run ended with {code} before it could be killed", hint="please report this")
            self.say(f"SIGKILL after {before} requests; {stored} answers are on disk. The same command again:")
            done = self.command(*words, expect=(0, 1, 3))
            again = request_count(url) - before
            self.say(
                f"It asked {again} more: {total} planned - {stored} stored = {total - stored}."
                f" {before - stored} were in flight at the kill."
            )
            if again != total - stored:
                raise EvalkitError("a stored answer was asked for again", hint="please report this")
            alone = self.command(*words, "--store", "other-store", expect=(0, 1, 3), show=False)
            same = alone.exit_code == done.exit_code and _rules(alone.stdout) == _rules(done.stdout)
            if not same:
                raise EvalkitError(
                    f"the verdict differs from an undisturbed run's:\n{alone.stdout}", hint="please report this"
                )
            self.say(f"An undisturbed run ends with the same verdict and exit code {done.exit_code}:")
            self.show(done)

    def stored_calls(self) -> int:
        """Return how many calls the newest run has on disk."""
        from evalkit.store.store import Store

        store = Store(self.folder / ".evalkit")
        reader = store.read(store.run_ids()[-1])
        try:
            return reader.count()
        finally:
            reader.close()

    def compared_naively(self, stem: str = "support_qa") -> None:
        """Say what a plain gate would have said of the verdict just written."""
        verdict: dict[str, Any] = json.loads((self.folder / f"reports/{stem}.verdict.json").read_text())
        rule = next(found for found in verdict["rules"] if found["metric"] == _METRIC)
        self.naive(rule["baseline"], rule["candidate"])

    def show(self, done: Done) -> None:
        """Print a command's output, indented."""
        self.say("\n".join(f"  {line}".rstrip() for line in done.stdout.splitlines()))

    def closing(self, seconds: float) -> None:
        """Say where everything is and what to try next."""
        place = self.folder
        self.say(f"\nAll of it took {seconds:.0f} s. The project, its runs and its reports are in {place}")
        self.say("Next:")
        self.say(f"  cd {place} && evalkit runs list        # everything that was asked, kept")
        self.say(f"  open {place}/reports/support_qa.html   # the report: items, differences, conditions")
        self.say("  edit suites/prompts/answer-mended.yaml, then `evalkit demo` again: the numbers change")


def _mean(body: Mapping[str, Any]) -> float:
    return float(next(metric["mean"] for metric in body["metrics"] if metric["metric"] == _METRIC))


def _rules(text: str) -> list[str]:
    """The lines of a verdict that hold figures of the rules: the table and what follows from it."""
    return [line for line in text.splitlines() if re.match(r"^(PASS|FAIL|INCONCLUSIVE|ERROR|[a-z_]+ +[01]\.)", line)]


def _wait_until(happened: Callable[[], bool], *, limit_s: float = 60.0) -> None:
    clock = SystemClock()
    end = clock.monotonic() + limit_s
    while not happened():
        if clock.monotonic() > end:
            raise EvalkitError("the run did not get on", hint="please report this")
        time.sleep(0.01)  # noqa: TID251 - waits for another process
