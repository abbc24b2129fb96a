"""The local store: where runs, scores and cached answers lie, and how to find a run again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from evalkit.base.errors import StoreError, UsageError
from evalkit.base.files import sync_folder
from evalkit.core.run import RunManifest
from evalkit.store.attempts import count_attempt
from evalkit.store.cache import ResponseCache
from evalkit.store.journal import Journal, JournalReader
from evalkit.store.lock import RunLock
from evalkit.store.scores import ScoreReader, ScoreWriter

__all__ = ["Store"]


class Store:
    """A folder, ``.evalkit`` by default.

    ::

        runs/<id>/outputs.db              the record
        runs/<id>/scores/<digest>.db      one file a grader digest
        runs/<id>/outputs.parquet         when finished, for `evalkit runs sql`
        runs/<id>/scores.parquet
        runs/<id>/lock                    who writes it now
        cache.db                          answers by request digest
    gates.db                          which candidates were gated against which baselines

    Args:
        root: the folder; created when something is written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, run_id: str) -> Path:
        """Return the run's folder, which need not exist."""
        return self.root / "runs" / run_id

    def run_ids(self) -> list[str]:
        """Return the ids of all runs, oldest first."""
        runs = self.root / "runs"
        if not runs.is_dir():
            return []
        return sorted(path.name for path in runs.iterdir() if (path / "outputs.db").is_file())

    def find(self, text: str) -> str:
        """Return the one run id that begins or ends with ``text``; ``latest`` is the newest fully created run.

        Raises:
            UsageError: no run or several runs fit.
        """
        if text == "latest" and (newest := next(self.manifests(), None)):
            return newest.id
        fits = [run_id for run_id in self.run_ids() if run_id.startswith(text) or run_id.endswith(text)]
        if len(fits) == 1:
            return fits[0]
        problem = "no run" if not fits else f"{len(fits)} runs"
        raise UsageError(f"{problem} named {text!r} in {self.root}", hint="list them with `evalkit runs list`")

    def manifests(self, *, newest_first: bool = True) -> Iterator[RunManifest]:
        """Yield the manifest of every run that was fully created."""
        for run_id in sorted(self.run_ids(), reverse=newest_first):
            manifest = self.manifest(run_id)
            if manifest is not None:
                yield manifest

    def manifest(self, run_id: str) -> RunManifest | None:
        """Return a run's manifest; its status is ``interrupted`` if it is not finished and nobody is writing it."""
        reader = JournalReader(self.folder(run_id) / "outputs.db")
        try:
            manifest = reader.manifest()
        finally:
            reader.close()
        if manifest is not None and manifest.status == "running" and not RunLock.held(self.folder(run_id) / "lock"):
            return manifest.model_copy(update={"status": "interrupted"})
        return manifest

    def lock(self, run_id: str, now: datetime) -> RunLock:
        """Return the run's lock, not yet taken; creates the run's folder."""
        self._make(self.folder(run_id))
        return RunLock(self.folder(run_id) / "lock", since=now)

    def journal(self, run_id: str) -> Journal:
        """Open a run's record for writing; the caller holds the lock and closes it."""
        self._make(self.folder(run_id))
        return Journal(self.folder(run_id) / "outputs.db")

    def read(self, run_id: str) -> JournalReader:
        """Open a run's record for reading; the caller closes it."""
        return JournalReader(self.folder(run_id) / "outputs.db")

    def score_path(self, run_id: str, grader_digest: str) -> Path:
        """Return where a grader's scores of a run lie."""
        return self.folder(run_id) / "scores" / f"{grader_digest}.db"

    def score_writer(self, run_id: str, grader_digest: str) -> ScoreWriter:
        """Open a grader's scores of a run for appending; the caller closes it."""
        self._make(self.folder(run_id) / "scores")
        return ScoreWriter(self.score_path(run_id, grader_digest))

    def score_reader(self, run_id: str, grader_digest: str) -> ScoreReader:
        """Open a grader's scores of a run for reading; the caller closes it."""
        return ScoreReader(self.score_path(run_id, grader_digest))

    def count_attempt(self, *, at: str, suite: str, candidate: str, baseline: str, draw: str, run: str) -> int:
        """Record a gate and return how many draws of this candidate met this baseline; see :mod:`.attempts`."""
        self._make(self.root)
        return count_attempt(
            self.root / "gates.db", at=at, suite=suite, candidate=candidate, baseline=baseline, draw=draw, run=run
        )

    def cache(self) -> ResponseCache:
        """Open the response cache; the caller closes it."""
        self._make(self.root)
        return ResponseCache(self.root / "cache.db")

    def _make(self, folder: Path) -> None:
        new = [each for each in (folder, *folder.parents) if not each.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for each in new:
                sync_folder(each.parent)
        except OSError as error:
            raise StoreError(
                f"cannot create {folder}: {error.strerror}", hint="choose another place with --store", where=str(folder)
            ) from error
