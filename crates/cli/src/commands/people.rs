//! `trimtab people`: the annotation service and its store.

use super::print_json;
use crate::failure::Usage;
use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use trimtab_people::service::desk::{Desk, rebuild};
use trimtab_people::service::event::{Event, Item, Role, Rules, Task};
use trimtab_people::service::http::{Door, Service};
use trimtab_people::service::{decide, export, http, import, log, secret};
use trimtab_run::{interrupt, write_atomic};
use trimtab_text::dataset;
use trimtab_text::record::{Prompt, Samples};

/// What can be done about people.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The annotation service: pages for people, stored so that nothing acknowledged is lost.
    ///
    /// Prints a link that lets you in. Others come in by `trimtab people invite`, or by the administrator's page.
    ///
    /// Example: trimtab people import runs/smollm2/sample/samples.jsonl && trimtab people serve
    Serve(Serve),
    /// A link for somebody, good for one use.
    ///
    /// Example: trimtab people invite "Ada" --role annotator --quota 200
    Invite(Invite),
    /// Items for people: samples to rank or edit, prompts to answer.
    ///
    /// Reads samples (prompts with answers) for --task rank and edit, any file with prompts for --task demonstrate. For
    /// --task rank also pairs, Argilla records and Label Studio tasks, with the rankings that people gave there; ties and
    /// answers left out stay what they are. They count as judgements here.
    ///
    /// A record of samples may also have `priority` (the greatest is dealt out first), `gold` (answer to rank, for questions
    /// whose answer is known) and `calibration: true` (asked of everybody first). Imported again, items keep their work and
    /// take the new priority.
    ///
    /// Example: trimtab people import samples.jsonl --overlap 3
    Import(Import),
    /// What people said, as files.
    ///
    /// Example: trimtab people export rankings.jsonl pairs.jsonl --out exported --anonymous
    Export(Export),
    /// How far to trust people: agreement, reliability, biases, and what the reward model took over from them.
    ///
    /// Example: trimtab people report --run runs/world
    Report(Report),
    /// Simulated people who work at a running service, over HTTP, as programs do: a load test whose every answer is known.
    ///
    /// They are invited through the store, which the service has open at the same time, join, and rank what they are served.
    /// What they perceive is the world's truth where --run names a run on the world; else the number of words of an answer
    /// stands for its quality, ten words for one unit. Each save has a key and is sent again, under the same key, when the
    /// network fails or the service says 429 or 503. At the end every acknowledged judgement is looked up in the store.
    ///
    /// Example: trimtab people simulate --url http://127.0.0.1:8765 --db people.db --annotators 200 --seconds 120
    Simulate(crate::simulate::Simulate),
    /// Puts the items first on which reward models trained on the work so far disagree most.
    ///
    /// From the rankings in the store it trains several reward models on top of the run's SFT checkpoint, asks them about every
    /// item that still wants people, and gives each the variance of their predictions as its priority (Christiano et al.
    /// 2017). A service that is running deals the work out by it from the next request on. Once some hundred rankings are in is
    /// a good time, and then again.
    ///
    /// Example: trimtab people next --run runs/team
    Next(crate::next::Next),
    /// Checks the log from its first event and writes the tables anew from it.
    ///
    /// Example: trimtab people rebuild --db postgres://localhost/team
    Rebuild {
        #[command(flatten)]
        store: Store,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// The description of the service for programs, as `docs/openapi.json` has it.
    #[command(hide = true)]
    Openapi,
}

/// Where the work is stored.
#[derive(Debug, Clone, Args)]
pub struct Store {
    /// A run, whose store is DIR/people/people.db.
    #[arg(long, value_name = "DIR", conflicts_with = "db")]
    pub run: Option<PathBuf>,
    /// An SQLite file, or `postgres://USER:PASSWORD@HOST/DATABASE`.
    #[arg(long, value_name = "URL", default_value = "people.db")]
    pub db: String,
}

impl Store {
    /// The store's name.
    pub fn url(&self) -> String {
        match &self.run {
            Some(run) => of_run(run).display().to_string(),
            None => self.db.clone(),
        }
    }

    /// The desk of a store that is made if need be.
    fn desk(&self) -> Result<Desk> {
        Ok(Desk::open(log::open(&self.url())?)?)
    }

    /// A store that is there already: looking at one should not make one.
    pub fn known(&self) -> Result<Box<dyn log::Log>> {
        let url = self.url();
        let file = Path::new(url.strip_prefix("sqlite:").unwrap_or(&url));
        if !url.starts_with("postgres") && !file.exists() {
            let advice =
                "expected a store that exists\n  try: --db FILE or --run DIR, or `trimtab people import` to make one";
            return Err(Usage(format!("{}: not there\n  {advice}", file.display())).into());
        }
        Ok(log::open(&url)?)
    }
}

/// The store of a run.
pub fn of_run(run: &Path) -> PathBuf {
    run.join("people").join("people.db")
}

/// `people serve`.
#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    store: Store,
    /// Results as JSON on standard output.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub door: DoorArgs,
    /// Seconds that a task is held for somebody who does nothing.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86400))]
    lease: Option<u64>,
    /// A gold question after so many other tasks; 0 for none.
    #[arg(long, value_name = "N")]
    gold_every: Option<u32>,
    /// Share of calibration pairs that must be right before work counts, 0 to 1.
    #[arg(long, value_name = "SHARE")]
    calibration_pass: Option<f64>,
    /// Instructions to show beside each task, Markdown.
    #[arg(long, value_name = "FILE")]
    guidelines: Option<PathBuf>,
}

/// Where a service listens.
#[derive(Debug, Clone, Args)]
pub struct DoorArgs {
    /// Address to listen on; 0.0.0.0 for others on the network.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// Port; 0 for any that is free.
    #[arg(long, default_value_t = 8765)]
    pub port: u16,
    /// The address that people type, where that is another: behind a proxy that speaks https, for example.
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
}

impl DoorArgs {
    /// As the service wants it.
    pub fn door(&self) -> Result<Door> {
        if let Some(url) = &self.public_url
            && !url.starts_with("http://")
            && !url.starts_with("https://")
        {
            let advice = "expected an address with http:// or https://\n  try: --public-url https://label.example.org";
            return Err(Usage(format!("--public-url {url}\n  {advice}")).into());
        }
        Ok(Door { address: SocketAddr::new(self.host, self.port), public_url: self.public_url.clone(), limited: true })
    }
}

/// `people invite`.
#[derive(Debug, Args)]
pub struct Invite {
    /// What they are called. The same name again is a new link for the same person.
    name: String,
    /// What they may do.
    #[arg(long, value_enum, default_value_t = RoleArg::Annotator)]
    role: RoleArg,
    /// Most items they may judge.
    #[arg(long)]
    quota: Option<u64>,
    /// The service's address, for the link.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8765")]
    url: String,
    #[command(flatten)]
    store: Store,
    /// Results as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum RoleArg {
    /// Works on tasks.
    Annotator,
    /// Sees everything, invites, exports.
    Admin,
}

/// `people import`.
#[derive(Debug, Args)]
pub struct Import {
    /// Samples or prompts, in any of the shapes that are read elsewhere; or pairs, Argilla records, Label Studio tasks.
    file: PathBuf,
    /// What the file is; by default its first record says it.
    #[arg(long, value_enum)]
    format: Option<FormatArg>,
    /// Takes the choices in a file of pairs as rankings of somebody of this name.
    #[arg(long, value_name = "NAME")]
    person: Option<String>,
    /// What people are asked to do.
    #[arg(long, value_enum, default_value_t = TaskArg::Rank)]
    task: TaskArg,
    /// People who should judge each item.
    #[arg(long, default_value_t = 1)]
    overlap: u32,
    #[command(flatten)]
    store: Store,
    /// Results as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// What a file to import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// Our samples: prompts with answers.
    Samples,
    /// `chosen` and `rejected`, with or without a prompt: TRL, HH-RLHF.
    Pairs,
    /// Argilla records, with their rankings.
    Argilla,
    /// Label Studio tasks, with their Ranker annotations.
    LabelStudio,
}

impl From<FormatArg> for import::Format {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Samples => Self::Samples,
            FormatArg::Pairs => Self::Pairs,
            FormatArg::Argilla => Self::Argilla,
            FormatArg::LabelStudio => Self::LabelStudio,
        }
    }
}

/// What people are asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TaskArg {
    /// Rank 2 to 9 answers.
    Rank,
    /// Edit the first answer into an ideal one.
    Edit,
    /// Write an ideal answer.
    Demonstrate,
}

/// `people export`.
#[derive(Debug, Args)]
pub struct Export {
    /// Which: rankings.jsonl, answers.jsonl, demonstrations.jsonl, pairs.jsonl, hh.jsonl, argilla.json, label-studio.json.
    #[arg(required = true)]
    files: Vec<String>,
    /// Folder to write them to.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Without names, times, comments and reasons.
    #[arg(long)]
    anonymous: bool,
    #[command(flatten)]
    store: Store,
    /// What was written, as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// `people report`.
#[derive(Debug, Args)]
pub struct Report {
    #[command(flatten)]
    store: Store,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Runs a command.
pub fn run(command: &Command, quiet: bool) -> Result<()> {
    match command {
        Command::Serve(c) => serve(c, quiet),
        Command::Invite(c) => {
            let desk = c.store.desk()?;
            let token = secret()?;
            let (name, quota, of_link) = (c.name.clone(), c.quota, token.clone());
            let role = match c.role {
                RoleArg::Annotator => Role::Annotator,
                RoleArg::Admin => Role::Admin,
            };
            desk.ask_now(move |state, _| decide::invite(state, &name, role, quota, &token))?;
            let link = format!("{}/join?invite={of_link}", c.url.trim_end_matches('/'));
            if c.json {
                return print_json(&json!({"name": c.name, "link": link}));
            }
            println!("{link}");
            Ok(())
        }
        Command::Import(c) => bring(c, quiet),
        Command::Export(c) => {
            let desk = Desk::open(c.store.known()?)?;
            let mut written = Vec::new();
            for file in &c.files {
                let format = export::Format::of_file(file).ok_or_else(|| {
                    let known: Vec<&str> = export::FILES.iter().map(|(file, _)| *file).collect();
                    Usage(format!(
                        "{file}: no such export\n  expected one of {}\n  try: rankings.jsonl",
                        known.join(", ")
                    ))
                })?;
                let anonymous = c.anonymous;
                let bytes = desk.ask_now(move |state, _| {
                    let bytes = export::export(state, format, anonymous);
                    Ok((vec![], bytes))
                })??;
                std::fs::create_dir_all(&c.out).with_context(|| c.out.display().to_string())?;
                let path = c.out.join(file);
                write_atomic(&path, &bytes)?;
                if !quiet {
                    eprintln!("{}: {} bytes", path.display(), bytes.len());
                }
                written.push(json!({"path": path, "bytes": bytes.len()}));
            }
            if c.json { print_json(&json!({"files": written})) } else { Ok(()) }
        }
        Command::Report(c) => {
            use std::io::Write;
            let of_files = c.store.run.as_ref().filter(|run| run.join("rank").join("rankings.jsonl").exists());
            let report = if let Some(run) = of_files {
                crate::crowd::of_run(run)?
            } else {
                let desk = Desk::open(c.store.known()?)?;
                let (rankings, answers) =
                    desk.ask_now(|state, _| Ok((vec![], (state.rankings(false), export::answers(state)))))?;
                trimtab_people::crowd_report(&rankings, &answers, None, None)
            };
            let text = if c.json { serde_json::to_string_pretty(&report)? + "\n" } else { crate::crowd::text(&report) };
            Ok(write!(std::io::stdout(), "{text}")?)
        }
        Command::Openapi => {
            use std::io::Write;
            Ok(write!(std::io::stdout(), "{}", http::openapi_text())?)
        }
        Command::Next(c) => crate::next::run(c, quiet),
        Command::Simulate(c) => crate::simulate::run(c, quiet),
        Command::Rebuild { store, json } => {
            let mut log = store.known()?;
            let found = rebuild(&mut *log)?;
            if *json {
                let place = log.place();
                return print_json(
                    &json!({"store": place, "events": found.events, "rows": found.rows, "same": found.same}),
                );
            }
            let same = if found.same { "as they were before" } else { "which were not as the log says before" };
            println!("{}: {} events, all in order; {} rows, {same}", log.place(), found.events, found.rows);
            Ok(())
        }
    }
}

fn serve(c: &Serve, quiet: bool) -> Result<()> {
    interrupt::install()?;
    let desk = c.store.desk()?;
    let guidelines = c.guidelines.as_ref().map(|path| {
        std::fs::read_to_string(path).map_err(|e| {
            let advice = "expected a text file\n  try: --guidelines FILE.md, or none";
            Usage(format!("{}: {e}\n  {advice}", path.display()))
        })
    });
    if let Some(text) = guidelines.transpose()? {
        desk.ask_now(move |state, _| decide::set_guideline(state, &text))?;
    }
    let (lease, gold_every, pass) = (c.lease, c.gold_every, c.calibration_pass);
    if pass.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
        let advice = "expected a share from 0 to 1\n  try: --calibration-pass 0.6";
        return Err(Usage(format!("--calibration-pass {}\n  {advice}", pass.unwrap_or_default())).into());
    }
    desk.ask_now(move |state, _| {
        let mut rules: Rules = state.rules;
        rules.lease_seconds = lease.unwrap_or(rules.lease_seconds);
        rules.gold_every = gold_every.unwrap_or(rules.gold_every);
        rules.calibration_pass = pass.unwrap_or(rules.calibration_pass);
        let changed = rules != state.rules;
        Ok((if changed { vec![Event::RulesSet { rules }] } else { vec![] }, ()))
    })?;
    let service = Service::bind(desk, &c.door.door()?)?;
    // To standard output, so that a script can read it; the rest is for the eye.
    if c.json {
        print_json(&json!({"link": service.owner_link, "url": service.url, "store": c.store.url()}))?;
    } else {
        println!("{}", service.owner_link);
    }
    if !quiet {
        eprintln!(
            "Open this link to work and to see how it goes. Others: `trimtab people invite NAME --url {}`. Store: {}. Ctrl-C stops.",
            service.url,
            c.store.url()
        );
    }
    Ok(service.run(interrupt::requested)?)
}

fn bring(c: &Import, quiet: bool) -> Result<()> {
    let (mut found, mut from) = (import::Found::default(), import::Format::Samples);
    match c.task {
        TaskArg::Demonstrate => {
            let (prompts, dropped) = dataset::prompts(&c.file)?;
            say_dropped(&dropped, quiet);
            found.items = prompts.into_iter().map(|prompt| demonstrate(prompt, c.overlap)).collect();
        }
        task => {
            let name = c.file.display().to_string();
            let bytes = std::fs::read(&c.file).map_err(|e| {
                Usage(format!("{name}: {e}\n  expected a file of samples, pairs or rankings\n  try: the path again"))
            })?;
            from = match c.format {
                Some(format) => format.into(),
                None if task == TaskArg::Edit => from,
                None => import::detect(&name, &bytes)?,
            };
            if from == import::Format::Samples {
                let samples: Vec<Samples> = dataset::records(&c.file)?;
                found.items = samples.into_iter().map(|record| of_samples(record, task, c.overlap)).collect();
            } else if task == TaskArg::Edit {
                let advice = "expected samples, of which the first answer is edited\n  try: --task rank";
                return Err(Usage(format!("{name}: --task edit of {}\n  {advice}", from.name())).into());
            } else {
                let how = import::How { overlap: c.overlap, person: c.person.clone() };
                found = import::read(&name, &bytes, from, &how)?;
            }
        }
    }
    let desk = c.store.desk()?;
    let import::Found { items, given, left_out } = found;
    let done = desk.ask_now(move |state, _| decide::import(state, items, given, from.name()))?;
    let ((added, there), (brought, before)) = (done.items, done.rankings);
    if c.json {
        let dropped: BTreeMap<_, _> = left_out.iter().map(|(what, n)| (what.to_string(), n)).collect();
        print_json(&json!({
            "store": c.store.url(), "items": {"added": added, "there_already": there},
            "rankings": {"brought": brought, "there_already": before}, "left_out": dropped,
        }))?;
    }
    if !quiet {
        eprintln!("{}: {added} items added, {there} there already", c.store.url());
        if brought + before > 0 {
            eprintln!("{brought} rankings brought, {before} there already");
        }
        for (what, n) in left_out {
            eprintln!("left out, {what}: {n}");
        }
    }
    Ok(())
}

fn say_dropped(dropped: &dataset::Counters, quiet: bool) {
    for (what, n) in dropped.0.iter().filter(|_| !quiet) {
        eprintln!("{what}: {n}");
    }
}

fn demonstrate(prompt: Prompt, overlap: u32) -> Item {
    Item {
        id: prompt.id,
        task: Task::Demonstrate,
        input: prompt.input,
        answers: vec![],
        overlap,
        priority: 0.0,
        gold: std::collections::BTreeMap::new(),
        calibration: false,
        group: prompt.group,
    }
}

/// A samples record as something to rank or edit.
pub fn of_samples(record: Samples, task: TaskArg, overlap: u32) -> Item {
    let mut item = import::of_samples(record, overlap);
    if task == TaskArg::Edit {
        item.task = Task::Edit;
        item.answers.truncate(1);
    }
    item
}
