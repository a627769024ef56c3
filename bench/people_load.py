#!/usr/bin/env python3
"""The annotation service under load: simulated people over HTTP, on SQLite and PostgreSQL. Standard library only.

    cargo build --release && python3 bench/people_load.py --trimtab target/release/trimtab

Per round and store: a fresh store, `people serve`, `people simulate` with 200 people for 120 s, a stop; then every
acknowledged save is looked up in the tables by this script, not by trimtab, and the log is rebuilt, whose tables must be
the same. With --kill SECONDS the service is killed by SIGKILL so long after the work began, and started again. PostgreSQL
is a server of its own in a temporary folder, with fsync on; without `initdb` it is left out and named. Rounds alternate
between the stores, since other programs use the machine too; how much is in the table, beside what the machine itself takes for a sync. Exit code 1 where a save is lost or
fails, or where the 99th percentile of a save is not below --target milliseconds.
"""
import argparse
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

WORDS = "the a of river stone light under seldom clear answer because water finds its own level and people say so".split()


def samples(path, items, answers):
    """Prompts with answers in Markdown, of lengths as a model gives them."""
    draw = random.Random(1)
    with open(path, "w") as out:
        for i in range(items):
            record = {"id": f"q{i}", "prompt": f"Question {i}: " + " ".join(draw.choices(WORDS, k=20)) + "?", "answers": []}
            for j in range(answers):
                points = [" ".join(draw.choices(WORDS, k=draw.randint(8, 40))) for _ in range(draw.randint(1, 5))]
                text = f"**{draw.choice(WORDS)}**, in short:\n\n" + "\n".join(f"- {p} `{p[:4]}`" for p in points)
                record["answers"].append(
                    {"id": f"a{j}", "text": text, "tokens": [], "logprobs": [], "seed": 1, "stop": "eos"}
                )
            out.write(json.dumps(record) + "\n")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def postgres_programs():
    found = shutil.which("initdb")
    folders = [pathlib.Path(found).resolve().parent] if found else []
    folders += sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)


@contextlib.contextmanager
def postgres(folder):
    """A server on loopback; gives its address, or None where there is none to start."""
    programs = postgres_programs()
    if programs is None:
        yield None
        return
    data, port = folder / "data", free_port()
    # PostgreSQL does not run as root.
    as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []
    if as_user:
        shutil.chown(folder, "nobody", "nogroup")
    quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    make = [programs / "initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "-D", data]
    subprocess.run(as_user + make, check=True, **quiet)
    start = [programs / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder]
    server = subprocess.Popen(as_user + start, **quiet)
    url = f"postgres://postgres@127.0.0.1:{port}"
    try:
        for _ in range(100):
            if subprocess.run(["psql", f"{url}/postgres", "-qc", "SELECT 1"], **quiet).returncode == 0:
                break
            time.sleep(0.1)
        yield url
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()


class Machine:
    """Processor time of everything and of ours, between two moments, as shares of the whole machine."""

    def __init__(self, pids):
        self.pids = pids
        self.before = self.now()

    def now(self):
        fields = [int(n) for n in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        ours = {name: sum(self.of_process(pid) for pid in pids) for name, pids in self.pids().items()}
        return sum(fields[:8]), sum(fields[:8]) - fields[3] - fields[4], ours

    @staticmethod
    def of_process(pid):
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            return 0
        return sum(int(n) for n in fields[11:15])  # its own and its dead children's, in and out of the kernel

    def shares(self):
        (all0, busy0, ours0), (all1, busy1, ours1) = self.before, self.now()
        whole = max(all1 - all0, 1)
        ours = {name: max(ours1[name] - ours0.get(name, 0), 0) / whole for name in ours1}
        return ours | {"others": max((busy1 - busy0) / whole - sum(ours.values()), 0)}


class Probe(threading.Thread):
    """What the machine itself makes of others' work meanwhile: how late it wakes a sleeper, how long a bare sync takes."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.path, self.done, self.late, self.sync = folder / "probe", threading.Event(), [], []
        self.start()

    def run(self):
        with open(self.path, "wb", buffering=0) as file:
            while not self.done.is_set():
                start = time.perf_counter()
                time.sleep(0.1)
                woken = time.perf_counter()
                file.write(b"x" * 4096)
                os.fdatasync(file.fileno())
                self.late.append(woken - start - 0.1)
                self.sync.append(time.perf_counter() - woken)

    def p99(self):
        self.done.set()
        self.join()
        return [1000 * sorted(times)[int(0.99 * (len(times) - 1))] for times in (self.late, self.sync)]


def children_of(pid):
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def serve(trimtab, db, port):
    service = subprocess.Popen(
        [trimtab, "--quiet", "people", "serve", "--db", db, "--port", str(port)], stdout=subprocess.PIPE, text=True
    )
    if not service.stdout.readline().startswith("http"):
        sys.exit(f"people serve --db {db} did not start")
    return service


def stored_keys(db):
    """The key of every judgement in the tables, read by another program than trimtab."""
    query = "SELECT body FROM {}judgements"
    if db.startswith("postgres"):
        rows = subprocess.run(["psql", db, "-Atqc", query.format("trimtab.")], check=True, capture_output=True, text=True)
        bodies = rows.stdout.splitlines()
    else:
        with contextlib.closing(sqlite3.connect(db)) as store:
            bodies = [row[0] for row in store.execute(query.format(""))]
    return {body["key"]: body for body in map(json.loads, bodies)}, len(bodies)


def measure(a, db, samples_file, folder, server_pids):
    started = []
    try:
        return measured(a, db, samples_file, folder, server_pids, started)
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()


def measured(a, db, samples_file, folder, server_pids, started):
    run = lambda *args: subprocess.run([a.trimtab, "--quiet", *map(str, args)], check=True, capture_output=True, text=True)
    run("people", "import", samples_file, "--db", db, "--overlap", a.overlap)
    port, told = free_port(), folder / "acknowledged.jsonl"
    service = serve(a.trimtab, db, port)
    services = [service]
    started.append(service)
    people = [a.trimtab, "people", "simulate", "--url", f"http://127.0.0.1:{port}", "--db", db, "--json"]
    people += ["--annotators", a.annotators, "--seconds", a.seconds, "--pace", a.pace, "--seed", a.seed]
    people += ["--acknowledged", told]
    simulated = subprocess.Popen(list(map(str, people)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    started.append(simulated)
    words = []
    working = threading.Event()

    def listen():
        for line in simulated.stderr:
            words.append(line)
            if "all have joined" in line:
                working.set()

    listener = threading.Thread(target=listen)
    listener.start()
    while not working.wait(0.2) and simulated.poll() is None:
        pass
    load_before = os.getloadavg()[0]
    probe = Probe(folder)
    machine = Machine(lambda: {"service": [s.pid for s in services], "people": [simulated.pid], "postgres": server_pids()})
    down = None
    if a.kill:
        time.sleep(a.kill)
        service.send_signal(signal.SIGKILL)
        service.wait()
        killed = time.monotonic()
        time.sleep(0.5)
        service = serve(a.trimtab, db, port)
        down = time.monotonic() - killed
        services.append(service)
        started.append(service)
    time.sleep(max(a.seconds - a.kill - 2, 0))
    shares = machine.shares()
    late, sync = probe.p99()
    output = simulated.stdout.read()
    listener.join()
    code = simulated.wait()
    service.send_signal(signal.SIGTERM)
    service.wait()
    if not output.strip():
        sys.exit("people simulate said nothing:\n" + "".join(words))
    figures = json.loads(output)
    acknowledged = [json.loads(line) for line in told.read_text().splitlines()]
    stored, rows = stored_keys(db)
    wrong = [
        t for t in acknowledged
        if (s := stored.get(t["key"])) is None or any(s.get(k) != t[k] for k in ("item", "shown", "ranks"))
    ]
    pairs = [(s["person"], s["item"]) for s in stored.values()]
    figures["lost_by_tables"] = len(wrong) + len(acknowledged) - len({t["key"] for t in acknowledged})
    figures["twice"] = rows - len(set(pairs))
    figures["stored"] = rows
    figures["rebuild"] = "as they were before" in run("people", "rebuild", "--db", db).stdout
    figures |= {"shares": shares, "load": load_before, "down": down, "code": code, "words": words[-6:]}
    figures |= {"late": late, "sync": sync}
    return figures


def row(store, f):
    ms = lambda spread, q: "–" if f[spread][q] is None else f"{f[spread][q]:.1f}"
    share = lambda name: f"{100 * f['shares'].get(name, 0):.0f} %"
    cells = [store, f["saves"], f"{f['saves_per_second']:.0f}", f["errors"], f["retries"], f["lost"] + f["lost_by_tables"] + f["twice"]]
    cells += [ms("save", q) for q in ("p50_ms", "p95_ms", "p99_ms", "max_ms")] + [ms("next", "p50_ms"), ms("next", "p99_ms")]
    cells += [share("service"), share("people"), share("postgres"), share("others")]
    cells += [f"{f['late']:.0f}", f"{f['sync']:.0f}"]
    return "| " + " | ".join(map(str, cells)) + " |"


HEAD = [
    "store", "saves", "a second", "errors", "sent again", "lost or twice", "save p50 ms", "p95", "p99", "max",
    "next p50 ms", "p99", "CPU: service", "people", "postgres", "others",
    "machine: woken late p99 ms", "bare sync p99 ms",
]


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--trimtab", required=True)
    parse.add_argument("--annotators", type=int, default=200)
    parse.add_argument("--seconds", type=int, default=120)
    parse.add_argument("--pace", type=float, default=1.0)
    parse.add_argument("--seed", type=int, default=0)
    parse.add_argument("--items", type=int, default=3000)
    parse.add_argument("--answers", type=int, default=4)
    parse.add_argument("--overlap", type=int, default=12)
    parse.add_argument("--rounds", type=int, default=3)
    parse.add_argument("--stores", default="sqlite,postgres")
    parse.add_argument("--kill", type=float, default=0, metavar="SECONDS")
    parse.add_argument("--target", type=float, default=150.0, metavar="MS")
    parse.add_argument("--out", help="a folder for the stores; a temporary one by default")
    a = parse.parse_args()
    a.trimtab = str(pathlib.Path(a.trimtab).resolve())
    good = True
    with tempfile.TemporaryDirectory(dir=a.out) as name:
        folder = pathlib.Path(name)
        os.chmod(folder, 0o755)
        (folder / "pg").mkdir()
        file = folder / "samples.jsonl"
        samples(file, a.items, a.answers)
        with postgres(folder / "pg") if "postgres" in a.stores else contextlib.nullcontext() as url:
            if "postgres" in a.stores and url is None:
                print("skipped: PostgreSQL: initdb and postgres are wanted", file=sys.stderr)
            print("| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD), flush=True)
            for i in range(a.rounds):
                for store in a.stores.split(","):
                    place = folder / f"{store}-{i}"
                    place.mkdir()
                    if store == "postgres":
                        if url is None:
                            continue
                        subprocess.run(["psql", f"{url}/postgres", "-qc", f"CREATE DATABASE load{i}"], check=True)
                        # The postmaster, whose dead children count as its own, and those that live.
                        master = int((folder / "pg" / "data" / "postmaster.pid").read_text().split()[0])
                        db, pids = f"{url}/load{i}", lambda: [master, *children_of(master)]
                    else:
                        db, pids = str(place / "people.db"), list
                    found = measure(a, db, file, place, pids)
                    print(row(store, found), flush=True)
                    print(f"# {store}: load average {found['load']:.1f}, {found['stored']} rows, rebuilt the same: "
                          f"{found['rebuild']}, down {found['down']}", file=sys.stderr, flush=True)
                    slow = (found["save"]["p99_ms"] or 0) >= a.target and not a.kill
                    bad = found["errors"] or found["lost"] or found["lost_by_tables"] or found["twice"] or not found["rebuild"]
                    if slow or bad:
                        good = False
                        print("".join(found["words"]), file=sys.stderr)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
