"""A running service with a store of its own, filled and read through the doors that its users have.

The binary is the one at TRIMTAB. Items come by `people import`, people by `people invite`; what was stored is read from the log.
"""

import json
import os
import sqlite3
import subprocess
import tempfile
import urllib.request
from pathlib import Path

ANSWERS = [
    "Because air scatters **blue** light more than red.\n\n1. By day the way is short.\n2. In the evening it is long.\n\n" + "More of it. " * 120,
    "Because the sea is blue and the sky mirrors it.",
    "Light has all colours in it. Air scatters blue the most.",
    "Nobody knows.",
]


class ServiceSite:
    """`people serve` on a free port. Each person gets `items` in order."""

    outside = "/"

    def __init__(self, items, texts=None):
        self.items, self.texts = items, texts or {}
        self.folder = tempfile.TemporaryDirectory()
        self.db = str(Path(self.folder.name) / "people.db")
        self.imported, self.sessions, self.names = set(), {}, {}
        guidelines = Path(self.folder.name) / "guidelines.md"
        guidelines.write_text("# How to rank\n\nThe truer answer first.\n")
        self.service, self.link = self.serve("--guidelines", str(guidelines))
        self.url = self.link.split("/enter")[0]

    def trimtab(self, *args):
        command = [os.environ["TRIMTAB"], "--quiet", "--threads", "1", "people", *args, "--db", self.db]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def serve(self, *args):
        command = [os.environ["TRIMTAB"], "--quiet", "--threads", "1", "people", "serve", "--port", "0", "--db", self.db, *args]
        service = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        return service, service.stdout.readline().strip()

    def close(self):
        self.service.kill()
        self.service.wait()
        self.folder.cleanup()

    def end_leases_soon(self):
        """From now on a lease is one of a second: said by another process, as an administrator would."""
        other, _ = self.serve("--lease", "1")
        other.kill()
        other.wait()

    def bring_items(self):
        for place, item in enumerate(self.items):
            if item in self.imported:
                continue
            self.imported.add(item)
            task = {"write": "demonstrate", "edit": "edit"}.get(item.split("-")[0], "rank")
            texts = self.texts.get(item, ANSWERS)
            answers = [
                {"id": f"{item}-a{i}", "text": text, "tokens": [], "logprobs": [], "seed": 0, "stop": "eos"}
                for i, text in enumerate(texts)
            ]
            record = {"id": item, "prompt": self.texts.get(item, ["Why is the sky blue?"])[0], "answers": answers, "priority": -place}
            if task == "demonstrate":
                record.pop("answers")
            file = Path(self.folder.name) / "items.jsonl"
            file.write_text(json.dumps(record) + "\n")
            self.trimtab("import", str(file), "--task", task, "--overlap", "9")

    def session(self, person):
        """The secret of a person's session; they are invited the first time."""
        self.bring_items()
        if person not in self.sessions:
            invite = self.trimtab("invite", person).strip().split("invite=")[1]
            request = urllib.request.Request(
                self.url + "/api/join",
                json.dumps({"invite": invite}).encode(),
                {"Content-Type": "application/json", "Origin": self.url},
            )
            with urllib.request.urlopen(request) as response:
                joined = json.load(response)
            self.sessions[person] = joined["session"]
            self.names[joined["person"]] = person
        return self.sessions[person]

    def sign_in(self, context, person):
        context.add_cookies([{"name": "trimtab", "value": self.session(person), "url": self.url}])

    def judgements(self):
        """What counts: every stored judgement that no later one revises, in the order stored."""
        with sqlite3.connect(f"file:{self.db}?mode=ro", uri=True) as db:
            events = [json.loads(body) for (body,) in db.execute("SELECT body FROM events ORDER BY seq")]
        blank = {"flags": {}, "ranks": {}} | dict.fromkeys(["verdict", "reason", "comment", "text", "margin", "revises"])
        log = [
            {**blank, **e["said"], "judgement": e["judgement"], "late": e.get("late", False), "person": self.names.get(e["person"])}
            for e in events
            if e["event"] == "judged"
        ]
        revised = {j["revises"] for j in log}
        return [j for j in log if j["judgement"] not in revised]
